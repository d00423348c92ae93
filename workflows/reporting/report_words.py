"""The words of ``report.html``: what a person is told about a run, a page, a number."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# status -> (word, tone, sign): the tone colours it, the sign tells it without colour
STATUS_WORDS = {
    "RESTORED": ("restored", "good", "✓"),
    "UNCHANGED": ("unchanged", "calm", "–"),
    "NEEDS_REVIEW": ("needs review", "warn", "!"),
    "KEPT_ORIGINAL": ("kept original", "bad", "!!"),
    "FAILED": ("failed", "bad", "✕"),
    "SKIPPED": ("skipped", "calm", "○"),
}

# C0 and C1 controls, and what turns the direction of text around: shown as escapes, so that no name hides behind them
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What matters most about a run, in a sentence or two, and how grave it is: good, warn or bad."""

    tone: str
    sentences: tuple[str, ...]


def verdict(report: Mapping[str, Any]) -> Verdict:
    """The verdict on a run. It is good only if nothing failed, needs review, or was left undone."""
    totals = report.get("totals", {})
    pages, documents = totals.get("pages", {}), totals.get("documents", {})
    settings = report.get("settings", {})
    bad, warn, plain = [], [], []
    if report.get("ended_early"):
        bad.append("The run stopped before its end.")
    if kept := pages.get("KEPT_ORIGINAL", 0):
        bad.append(f"{some(kept, 'page')} failed and {_was(kept)} written with {'its' if kept == 1 else 'their'} text.")
    if failed := documents.get("FAILED", 0):
        bad.append(f"{some(failed, 'document')} failed: nothing was written for {'it' if failed == 1 else 'them'}.")
    if review := pages.get("NEEDS_REVIEW", 0):
        warn.append(f"{some(review, 'page')} {'needs' if review == 1 else 'need'} review: text may be left.")
    if settings.get("dry_run"):
        warn.append("Dry run: nothing was removed.")
    elif _unverified(settings):
        warn.append("Verification was off: the cleaned pages were not looked at again.")
    if not documents.get("total", 0):
        warn.append("No document was read.")
    if not bad and not warn:
        done, same = pages.get("total", 0), pages.get("UNCHANGED", 0)
        plain.append(f"{some(done, 'page')} done, nothing left to do." if done else "Nothing was left to do.")
        if same:
            plain.append(f"No text was found on {same} of them." if same != done else "No text was found.")
    return Verdict("bad" if bad else "warn" if warn else "good", (*bad, *warn, *plain))


def _unverified(settings: Mapping[str, Any]) -> bool:
    how = settings.get("verify")
    return how == "off" or (how == "auto" and settings.get("detector") == "annotated")


def remarks(page: Mapping[str, Any]) -> tuple[str, ...]:
    """What a person should know about a page, gravest first; empty for a page that went as it should."""
    told = []
    if page.get("status") == "KEPT_ORIGINAL":
        told.append("This page was written with its text.")
    if left := page.get("regions_left", 0):
        told.append(f"{some(left, 'region')} may still hold text.")
    elif again := removed_again(page):
        told.append(f"Text was left at first and removed again, {'once' if again == 1 else f'{again} times'}.")
    return (*told, *(sentence(doubt) for doubt in page.get("doubts", ())), *page.get("notes", ()))


def removed_again(page: Mapping[str, Any]) -> int:
    """How often text was removed once more after a look at the cleaned page."""
    return int(page.get("removed_again", 0))


def outcome(check: Mapping[str, Any], page: Mapping[str, Any]) -> str:
    """What came of what a check found."""
    if not check.get("found"):
        return "clear"
    return "text may be left" if page.get("regions_left") else "removed again"


def some(number: int, noun: str) -> str:
    """``1 page``, ``2 pages``."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def count(number: float) -> str:
    """A number with its thousands apart."""
    return f"{number:,}"


def spent(seconds: float) -> str:
    """A time: ``0.4 s``, ``7 min 13 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def sentence(text: str) -> str:
    """Words that end as a sentence does, so that another may follow."""
    return text if not text or text[-1] in ".!?" else f"{text}."


def setting(value: Any) -> str:
    """A setting's value in a word or two."""
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def visible(value: Any) -> Any:
    """Text with the characters that cannot be seen written as escapes; anything else as it is."""
    if not isinstance(value, str):
        return value
    return _UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode(), value)
