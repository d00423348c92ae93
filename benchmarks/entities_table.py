"""The figures of ``bench_entities``, as text and as Markdown."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import NamedTuple

CHOSEN, GONE, HURT = 0.99, 0.95, 0.05  # shares of a text's ink, see bench_entities
HEADS = ("kind", "values", "chosen", "gone", "recall", "precision")


class Outcome(NamedTuple):
    """A text on a page: its kind ("" where it must stay), in how many ``pieces`` it was drawn, and how it was read.

    ``chosen`` and ``gone`` are shares of its ink; ``gone`` is None where nothing was removed.
    """

    kind: str
    text: str
    pieces: int
    chosen: float
    gone: float | None
    read: str

    @property
    def hit(self) -> bool:
        """Whether a value went, or, where nothing was removed, was chosen."""
        return self.chosen >= CHOSEN if self.gone is None else self.gone >= GONE

    @property
    def hurt(self) -> bool:
        """Whether too much of a text went that must stay."""
        return not self.kind and (self.chosen if self.gone is None else self.gone) > HURT


Pages = Mapping[str, Sequence[Outcome]]
Inks = Mapping[str, Sequence[int]]


def rows(pages: Pages, inks: Inks) -> list[tuple[str, ...]]:
    """The table: a row for each kind, then one for all."""
    values = [told for told in chain.from_iterable(pages.values()) if told.kind]
    kinds = sorted({told.kind for told in values} | set(inks))
    groups = [(kind, [v for v in values if v.kind == kind], inks.get(kind, (0, 0))) for kind in kinds]
    groups.append(("all", values, [sum(pair[i] for pair in inks.values()) for i in (0, 1)]))
    return [_row(*group) for group in groups]


def _row(kind: str, values: Sequence[Outcome], ink: Sequence[int]) -> tuple[str, ...]:
    chosen, hit = sum(v.chosen >= CHOSEN for v in values), sum(v.hit for v in values)
    whole = any(v.gone is not None for v in values)
    recall = f"{hit / len(values):.1%}" if values else "-"
    return kind, str(len(values)), str(chosen), str(hit) if whole else "-", recall, _share(ink)


def _share(ink: Sequence[int]) -> str:
    return f"{ink[0] / ink[1]:.1%}" if ink[1] else "-"


def told(pages: Pages, hurt: bool) -> list[tuple[str, str, str, str]]:
    """Texts that were hurt, or values that were missed: (page, what was drawn, how much went, how it was read)."""
    found = []
    for page, outcomes in pages.items():
        for one in outcomes:
            if one.hurt if hurt else one.kind and not one.hit:
                share = f"{one.chosen:.0%} chosen" + ("" if one.gone is None else f", {one.gone:.0%} gone")
                kind = f"{one.kind} " if one.kind else ""
                found.append((page.partition(":")[0], f"{kind}{one.text!r} in {one.pieces}", share, repr(one.read)))
    return found


def as_text(pages: Pages, inks: Inks) -> str:
    """Everything, for a terminal."""
    lines = ["".join(f"{cell:>14}" for cell in row) for row in (HEADS, *rows(pages, inks))]
    for name, hurt in (("missed", False), ("hurt", True)):
        lines += [f"{name}: " + " | ".join(one) for one in told(pages, hurt)]
    return "\n".join([*lines, stayed(pages)])


def stayed(pages: Pages) -> str:
    """How much of the text that must stay was hurt."""
    others = [one for one in chain.from_iterable(pages.values()) if not one.kind]
    hurt = sum(one.hurt for one in others)
    return f"Of {len(others)} texts that must stay, {hurt} lost more than {HURT:.0%} of their ink."


def as_markdown(pages: Pages, inks: Inks, words: str, reviewed: int) -> str:
    """The table and the misses, as ``benchmarks/entities.md`` has them."""
    root = Path(__file__).parent
    commit = subprocess.run(
        ["git", "rev-parse", "--short=10", "HEAD"], cwd=root, capture_output=True, text=True, check=False
    )
    heads = ("page", "drawn, in pieces", "of its ink", "lines there, as read")
    lines = [
        "# Choosing text by what it says",
        "",
        f"{datetime.now(UTC):%d %B %Y}, commit `{commit.stdout.strip()}`. Regenerate with",
        "",
        f"    python benchmarks/bench_entities.py {words} --table benchmarks/entities.md",
        "",
        f"*chosen*: {CHOSEN:.0%} of a value's ink lies in the parts that go; *gone*: {GONE:.0%} of it was replaced",
        "in the output, verification and all; *recall*: the share of values that are gone; *precision*: the share of",
        "the text's ink in the parts with this reason that is a value's. *match* is a pattern, *word* a list of",
        "names, *unsure* what was read unsurely. What was drawn, and how, stands in `bench_entities.py`.",
        "",
        *_table(HEADS, rows(pages, inks)),
        "",
        f"{stayed(pages)} Of {len(pages)} pages, {reviewed} need review.",
        "",
        "## Values that were missed",
        "",
        *_table(heads, told(pages, hurt=False)),
        "",
        "## Text that must stay, and was hurt",
        "",
        *_table(heads, told(pages, hurt=True)),
        "",
        "## Pages: font, and what was done to them",
        "",
        *(f"- {page}" for page in pages),
        "",
    ]
    return "\n".join(lines)


def _table(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    shown = [[cell.replace("|", "\\|") for cell in row] for row in cells]
    return ["| " + " | ".join(row) + " |" for row in ([*heads], ["---"] * len(heads), *shown)]
