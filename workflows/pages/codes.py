"""What becomes of QR codes and bar codes: they may hold again what was removed from the page as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.choosing import TextPolicy
from pipeline.codes import Code, code_mask, find_codes, says_what_goes
from pipeline.types import Array
from workflows.config import RunSettings

REASON = "code"


@dataclass(frozen=True, slots=True, eq=False)
class CodeChoice:
    """Where the codes that go are, (H, W) bool, and what the report should say of those that stay."""

    goes: Array
    notes: tuple[str, ...] = ()


def choose_codes(image: Array, settings: RunSettings, policy: TextPolicy | None) -> CodeChoice:
    """Which codes of a page (H, W, 3) uint8 RGB go.

    All, with ``--anonymize``; those that say what is looked for, where something is. Else they are not looked at.
    """
    looked_for = policy is not None and policy.looks_for_something
    codes = find_codes(image) if settings.anonymize or looked_for else ()
    going = [code for code in codes if settings.anonymize or (policy is not None and says_what_goes(code, policy))]
    goes = np.logical_or.reduce([code_mask(image, code) for code in going] + [np.zeros(image.shape[:2], bool)])
    staying = [code for code in codes if code not in going]
    unread = [code for code in staying if code.text is None]
    notes = []
    if len(staying) > len(unread):
        told = _told([code for code in staying if code.text is not None])
        notes.append(f"codes stay that were read and hold nothing looked for: {told}")
    if unread:
        notes.append(f"codes stay that cannot be read, look whether they may: {_told(unread)}")
    return CodeChoice(goes, tuple(notes))


def codes_left(image: Array, allowed: Array | None) -> tuple[str, ...]:
    """Why a person should look at a cleaned page (H, W, 3) uint8 RGB that was to keep no code, if it has one.

    ``allowed`` (H, W) bool is where something was to go; None is everywhere.
    """
    left = []
    for code in find_codes(image):
        x, y = code.polygon.mean(axis=0).astype(int).clip(0, np.array(image.shape[1::-1]) - 1)
        if allowed is None or allowed[y, x]:
            left.append(code)
    return (f"codes are left that a machine reads: {_told(left)}",) if left else ()


def _told(codes: Sequence[Code]) -> str:
    """Codes in words, by kind; never what they say."""
    return ", ".join(f"{count} x {kind}" for kind, count in sorted(Counter(code.kind for code in codes).items()))
