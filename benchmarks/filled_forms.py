"""Filled forms with known values, drawn and degraded: what ``bench_entities`` looks at.

A page has two columns of fields with values of every kind, in five layouts: beside a label, under one, in a sentence,
broken over two lines, in cells. Between them stands text that must stay.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any, NamedTuple
from unittest import mock

import cv2
import numpy as np
import pymupdf
from PIL import Image, ImageDraw, ImageFont
from stdnum import luhn
from stdnum.iso7064 import mod_97_10

from pipeline.types import Array
from workflows.training import degrade as degrading

SIZE = 1654, 2339
FONTS = ("helv", "tiro", "cour", "DejaVuSans.ttf", "DejaVuSerif.ttf")
NAMES = ("Anna Kowalski", "Jürgen Müller", "Séverine Dupont", "Maria Rossi", "Liam O'Brien", "Li Wei")
PATTERN = r"\bK-\d{6}\b"
Random = np.random.Generator


class Item(NamedTuple):
    """Text on a page: its kind ("" when it must stay), what it says, and where it is drawn, (x, y, words) each."""

    kind: str
    text: str
    drawn: tuple[tuple[int, int, str], ...]


def _figures(rng: Random, count: int) -> str:
    return "".join(str(digit) for digit in rng.integers(0, 10, count))


def _iban(rng: Random) -> str:
    country, length = (("DE", 22), ("FR", 27), ("CH", 21), ("NL", 18), ("GB", 22))[rng.integers(5)]
    bank = "".join(chr(c) for c in rng.integers(65, 91, 4)) if country in ("NL", "GB") else ""
    body = bank + _figures(rng, length - 4 - len(bank))
    number = country + mod_97_10.calc_check_digits(body + country) + body
    return " ".join(number[i : i + 4] for i in range(0, length, 4)) if rng.random() < 0.8 else number


def _card(rng: Random) -> str:
    start = ("4", "51", "52", "6011")[rng.integers(4)]
    number = start + _figures(rng, 15 - len(start))
    number += luhn.calc_check_digit(number)
    mark = ("", " ", " ", "-")[rng.integers(4)]
    return mark.join(number[i : i + 4] for i in range(0, 16, 4))


def _email(rng: Random) -> str:
    person = ("anna.kowalski", "j_mueller", "s.dupont77", "rossi", "liam.obrien", "wei-li.2")[rng.integers(6)]
    host = ("example.com", "mail.example.org", "gmail.com", "uni-test.de", "post.example.fr")[rng.integers(5)]
    return f"{person}@{host}"


def _phone(rng: Random) -> str:
    n = _figures
    return (
        f"+49 {rng.integers(30, 90)} {n(rng, 4)} {n(rng, 4)}", f"030 {rng.integers(2, 9)}{n(rng, 7)}",
        f"(212) 555-{n(rng, 4)}", f"+33 6 {n(rng, 2)} {n(rng, 2)} {n(rng, 2)} {n(rng, 2)}",
        f"020 7946 0{n(rng, 3)}", f"0171/{rng.integers(2, 9)}{n(rng, 6)}", f"415-555-{n(rng, 4)}",
    )[rng.integers(7)]  # fmt: skip


def _date(rng: Random) -> str:
    day, month, year = int(rng.integers(1, 29)), int(rng.integers(1, 13)), int(rng.integers(1940, 2025))
    name = calendar.month_name[month]
    return (
        f"{day:02}.{month:02}.{year}", f"{month:02}/{day:02}/{year}", f"{year}-{month:02}-{day:02}",
        f"{day} {name} {year}", f"{name} {day}, {year}", f"{day}.{month}.{year % 100:02}",
    )[rng.integers(6)]  # fmt: skip


def _ssn(rng: Random) -> str:
    return f"{rng.integers(101, 660)}-{rng.integers(10, 99)}-{rng.integers(1000, 9999)}"


def _vat(rng: Random) -> str:
    return ("DE136695976", "ATU13585627", "FR40303265045", "NL004495445B01", "IT00743110157", "GB980780684")[
        rng.integers(6)
    ]


MAKERS: dict[str, tuple[str, Callable[[Random], str]]] = {
    "email": ("E-mail", _email),
    "phone": ("Telephone", _phone),
    "iban": ("Account", _iban),
    "credit-card": ("Payment card", _card),
    "ssn": ("Social security", _ssn),
    "date": ("Date of birth", _date),
    "url": ("Web", lambda rng: ("www.example.org/form", "https://shop.example.com", "rossi-test.it")[rng.integers(3)]),
    "vat-id": ("VAT number", _vat),
    "ip-address": ("Address of host", lambda rng: ".".join(str(n) for n in rng.integers(1, 255, 4))),
    "amount": (
        "Sum",
        lambda rng: f"{'€' if rng.random() < 0.5 else 'EUR'} {rng.integers(10, 9000)}.{_figures(rng, 2)}",
    ),
    "word": ("Name", lambda rng: NAMES[rng.integers(len(NAMES))]),
    "match": ("Customer", lambda rng: f"K-{_figures(rng, 6)}"),
}
STAYS = (
    "Order 4711-0815", "Quantity 12", "Please write clearly in capital letters.", "Size 42, colour blue",
    "Page 3 of 17", "I agree to the terms below.", "Article 90 342 8", "Signature of the applicant",
    "Weight 12.5 kg", "Room 2.14", "Yes   No   Unknown", "Form 1040-A (Rev. 7)", "Section 4.2.1",
    "Invoice 2023-00417", "Version 10.15.7 of the form", "Serial no. 99120345", "For office use only",
    "35 % of 1200 units", "Ratio 16:9", "Class 7b, Table 3",
)  # fmt: skip


def lay_out(font: Any, rng: Random) -> list[Item]:
    """The texts of one page: two columns of fields, values and what must stay in turns."""
    items: list[Item] = []
    kinds = [*MAKERS, *rng.permutation(list(MAKERS))]
    high = round(font.size * 1.25)
    places = [(x, 120 + row * 170) for row in range(13) for x in (110, 880)]
    for (x, y), kind in zip(places, kinds, strict=False):
        label, make = MAKERS[kind]
        items += _field(font, rng, (x, y, high), (kind, label, make(rng)))
        if rng.random() < 0.7:
            stays = STAYS[rng.integers(len(STAYS))]
            items.append(Item("", stays, ((x, y + 2 * high + 14, stays),)))
    return items


def _field(font: Any, rng: Random, place: tuple[int, int, int], content: tuple[str, str, str]) -> list[Item]:
    """A label and a value in one of five layouts."""
    (x, y, high), (kind, label, value) = place, content
    way = rng.random()
    if way < 0.35:  # beside the label
        after = x + round(font.getlength(f"{label}: "))
        return [Item("", f"{label}:", ((x, y, f"{label}:"),)), Item(kind, value, ((after, y, value),))]
    if way < 0.55:  # under it
        return [Item("", label, ((x, y, label),)), Item(kind, value, ((x, y + high, value),))]
    if way < 0.75:  # in a sentence
        before = "Known here as "
        at = x + round(font.getlength(before))
        rest = at + round(font.getlength(value + " "))
        return [
            Item("", before, ((x, y, before),)),
            Item(kind, value, ((at, y, value),)),
            Item("", "since", ((rest, y, "since"),)),
        ]
    if way < 0.88 and kind not in ("word", "amount", "ip-address"):  # broken over two lines
        cut = max(3, min(len(value) - 3, len(value) // 2))
        cut = value.find(" ", cut - 2) if " " in value[cut - 2 : cut + 3] else cut
        return [Item(kind, value, ((x + 260, y, value[:cut]), (x + 260, y + high, value[cut:].strip())))]
    step = round(font.size * 0.95)  # every character in a cell of its own
    if len(value) * step > 660:
        return _field(font, rng, place, content)
    return [
        Item("", label, ((x, y, label),)),
        Item(kind, value, tuple((x + i * step, y + high, c) for i, c in enumerate(value))),
    ]


def draw(items: Iterable[Item], font: Any) -> Array:
    """A page with these texts and the form's rules, (H, W, 3) float32."""
    image = Image.new("L", SIZE, 255)
    pen = ImageDraw.Draw(image)
    for x in (80, 850):
        pen.rectangle((x, 90, x + 740, 2300), outline=60, width=2)
        for row in range(1, 13):
            pen.line((x, 100 + row * 170, x + 740, 100 + row * 170), fill=120, width=2)
    for item in items:
        for x, y, words in item.drawn:
            pen.text((x, y), words, font=font, fill=15)
    return np.repeat(np.asarray(image, np.float32)[..., None], 3, axis=2)


def label_map(items: Sequence[Item], font: Any) -> Array:
    """(H, W, 3) float32: around each text its number, 1 for the first; 0 elsewhere."""
    image = np.zeros(SIZE[::-1], np.float32)
    for number, item in enumerate(items, 1):
        for x, y, words in item.drawn:
            box = font.getbbox(words)
            cv2.rectangle(
                image,
                (x + int(box[0]) - 2, y + int(box[1]) - 2),
                (x + int(box[2]) + 2, y + int(box[3]) + 2),
                number,
                -1,
            )
    return np.repeat(image[..., None], 3, axis=2)


@contextmanager
def noted_steps() -> Iterator[list[str]]:
    """The names of the degradations that are made meanwhile, in their order."""
    names: list[str] = []

    def noting(step: degrading.Step) -> degrading.Step:
        def noted(images: degrading.Images, rng: Random) -> degrading.Images:
            names.append(step.__name__.strip("_").replace("_", " "))
            return step(images, rng)

        return noted

    paper, sensor = ([(chance, noting(step)) for chance, step in s] for s in (degrading._PAPER, degrading._SENSOR))
    with (
        mock.patch.object(degrading, "_PAPER", paper),
        mock.patch.object(degrading, "_SENSOR", sensor),
        mock.patch.object(degrading, "_threshold", noting(degrading._threshold)),
    ):
        yield names


def scan(items: Sequence[Item], font: Any, seed: int) -> tuple[Array, Array, list[str]]:
    """(the page as scanned, (H, W, 3) uint8; the text whose ink each pixel is, (H, W) int, from 1; what was done)."""
    pages = [draw(items, font), draw([], font)]
    with noted_steps() as steps:
        scanned, quiet = degrading.degrade(pages, np.random.default_rng(seed))
    numbers = [label_map(items, font)]
    rng = np.random.default_rng(seed)  # the same draws up to the turning of the page, the only step that moves ink
    chance, turn = degrading._PAPER[0]
    if turn is not degrading._turn:
        raise RuntimeError("degrade no longer begins with turning the page")
    if rng.random() >= degrading.CLEAN and rng.random() < chance:
        numbers = turn(numbers, rng)
    contrast = np.abs(quiet[0] - quiet[1]).max(axis=2)
    ink = contrast > 0.35 * np.percentile(contrast[contrast > 8], 95)
    number = numbers[0][..., 0]
    sure = np.abs(number - np.rint(number)) < 0.02
    return scanned[0], np.where(ink & sure, np.rint(number), 0).astype(int), steps


def load_font(name: str, size: int) -> Any:
    """One of the fonts; those without a suffix come with PyMuPDF."""
    return ImageFont.truetype(name if "." in name else BytesIO(pymupdf.Font(name).buffer), size)
