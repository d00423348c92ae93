"""What a cleaned page is looked at with, and what for: the interface between looking and the tools of a process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pipeline.readings import Reading
from pipeline.types import Array, TextRegion


@dataclass(frozen=True, slots=True, eq=False)
class Ink:
    """What a reader sees: ``levels`` (H, W) int from 0 to 255, how likely each pixel is ink that was to go.

    Where ``spared`` (H, W) bool is set, it looks like that and stays: they are 0 there.
    """

    levels: Array
    spared: Array


@dataclass(frozen=True, slots=True)
class Tools:
    """What a page is verified and cleaned again with; all take and give page coordinates.

    ``detect`` finds text regions of an image; ``read_ink`` reads the ink of an image, or of it what is wanted, (H, W)
    bool; ``find_ink`` takes image and regions and says which pixels are ink that was to go,
    (H, W) bool; ``read_text`` says what regions of an image say. ``remove`` takes an image and a mask and gives the
    image without what is under it, ``fill`` the same in the plainest way. ``reread`` takes an image and polygons and
    gives polygons of text that was to go by what it says, and of text that was read unsurely; or it is None.
    ``find_staying`` takes an image and where to look, and says which pixels are ink that stays: blanks to fill in, and
    ink of the other kind where only one goes. ``by_ink``: only one does, and the detector cannot tell which is which.
    ``whole_regions``: at last, all of a region may go, and not its ink only. ``read_upright`` is ``read_text`` for text
    that does not stand on its head, in half the time.
    """

    detect: Callable[[Array], Sequence[TextRegion]]
    read_ink: Callable[[Array, Array | None], Ink]
    find_ink: Callable[[Array, Sequence[TextRegion]], Array]
    read_text: Callable[[Array, Sequence[TextRegion]], Sequence[Reading]]
    remove: Callable[[Array, Array], Array]
    fill: Callable[[Array, Array], Array]
    reread: Callable[[Array, Sequence[Array]], tuple[Sequence[Array], Sequence[Array]]] | None = None
    find_staying: Callable[[Array, Array], Array] | None = None
    by_ink: bool = False
    whole_regions: bool = False
    read_upright: Callable[[Array, Sequence[TextRegion]], Sequence[Reading]] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """What is looked for on a page.

    ``allowed`` (H, W) bool is where text was to go; None is everywhere. ``form`` (H, W) bool is print of a blank form,
    which stays; None is no form. ``read`` are polygons that were read before anything was removed, and ``before`` (H,
    W, 3) uint8 RGB is the page as it was then; without it nobody knows what they said.
    """

    allowed: Array | None = None
    form: Array | None = None
    read: tuple[Array, ...] = ()
    before: Array | None = field(default=None, repr=False)
