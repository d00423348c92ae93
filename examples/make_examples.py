"""Make the example documents in this folder. Same script, same documents: python examples/make_examples.py

Names, numbers and stories are made up.
"""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pymupdf
from paper import INK, Pen, font, grain, save, scan, write
from PIL import Image, ImageDraw

HERE = Path(__file__).parent
DPI = 150
WIDTH, HEIGHT = 1240, 1754  # A4
BLUE, BLACK = (26, 44, 140), (30, 30, 40)


def blank(colour: tuple[int, int, int] = (252, 252, 250), size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    """An empty sheet."""
    return Image.new("RGB", size, colour)


def make_form(rng: np.random.Generator) -> None:
    """A filled-in application form: shaded heads, boxes, a table, a stamp, a signature."""
    sheet = blank()
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((70, 60, 1170, 130), fill=(40, 62, 98))
    write(draw, (90, 74), "APPLICATION FOR A PARKING PERMIT", 38, (250, 250, 250))
    write(draw, (90, 146), "Please print. Fields marked with * are required. Return to counter 4.", 20)
    labels = ["Family name *", "Given names *", "Street and number *", "Postcode and town *", "Telephone", "E-mail"]
    for row, label in enumerate(labels):
        top = 200 + 86 * row
        draw.rectangle((70, top, 1170, top + 86), outline=INK, width=2)
        draw.rectangle((72, top + 2, 400, top + 84), fill=(226, 232, 240))
        draw.line((400, top, 400, top + 86), fill=INK, width=2)
        write(draw, (88, top + 28), label, 24)
    write(draw, (70, 750), "Vehicle", 30)
    for column, name in enumerate(["Plate", "Make", "Colour", "First registered"]):
        left = 70 + 275 * column
        draw.rectangle((left, 796, left + 275, 846), fill=(226, 232, 240), outline=INK, width=2)
        write(draw, (left + 14, 808), name, 22)
        for row in range(3):
            draw.rectangle((left, 846 + 64 * row, left + 275, 910 + 64 * row), outline=INK, width=2)
    write(draw, (70, 1070), "The permit is for", 24)
    for n, choice in enumerate(["one year", "six months", "one month", "visitors"]):
        draw.rectangle((300 + 220 * n, 1068, 328 + 220 * n, 1096), outline=INK, width=2)
        write(draw, (340 + 220 * n, 1068), choice, 24)
    text = [
        "I declare that the particulars above are true and complete. I know that a permit does not",
        "entitle me to a particular space and that it must be shown behind the windscreen. A permit",
        "that is lost is replaced once a year; the fee for a replacement is 15.00.",
    ]
    for n, line in enumerate(text):
        write(draw, (70, 1150 + 34 * n), line, 23)
    draw.line((70, 1420, 480, 1420), fill=INK, width=2)
    draw.line((640, 1420, 1170, 1420), fill=INK, width=2)
    write(draw, (70, 1428), "Place and date", 20)
    write(draw, (640, 1428), "Signature of the applicant", 20)
    draw.rectangle((70, 1500, 1170, 1690), fill=(236, 236, 236), outline=INK, width=2)
    write(draw, (88, 1512), "For official use only", 22)
    write(draw, (88, 1560), "Zone    Fee paid    Valid until    Clerk", 22)
    page = np.array(sheet)
    fill_in_form(rng, page)
    save(scan(rng, page, 0.35, 1.6), str(HERE / "form.png"), DPI)


def fill_in_form(rng: np.random.Generator, page: np.ndarray) -> None:
    """What the applicant and the clerk added."""
    pen = Pen(rng, BLUE, 3.0)
    answers = ["winterbottom", "ada marie", "27 mill lane", "48291 oakfield", "0555 201 3346", "ada at mail.example"]
    for row, answer in enumerate(answers):
        pen.write(page, (430, 214 + 86 * row), answer, 56)
    for column, answer in enumerate(["ox 4471", "volvo", "green", "12.03.19"]):
        pen.write(page, (90 + 275 * column, 850), answer, 50)
    pen.stroke(page, np.array([(296, 1080), (310, 1096), (340, 1052)]))
    pen.write(page, (90, 1360), "oakfield, 3.5.", 52)
    pen.stroke(
        page, np.array([(660, 1400), (700, 1310), (730, 1410), (790, 1350), (830, 1405), (900, 1330), (1080, 1390)])
    )
    stamp = np.full_like(page, 255)
    cv2.circle(stamp, (1010, 1590), 78, (190, 40, 50), 4, cv2.LINE_AA)
    cv2.circle(stamp, (1010, 1590), 58, (190, 40, 50), 2, cv2.LINE_AA)
    cv2.putText(stamp, "PAID", (962, 1603), cv2.FONT_HERSHEY_DUPLEX, 1.25, (190, 40, 50), 3, cv2.LINE_AA)
    faded = cv2.addWeighted(stamp, 0.85, np.full_like(stamp, 255), 0.15, 0)
    page[:] = np.minimum(page, faded)


def make_exam(rng: np.random.Generator) -> None:
    """An exam sheet: printed questions, a figure, answers and marks by hand; squared paper below."""
    sheet = blank((250, 249, 244))
    draw = ImageDraw.Draw(sheet)
    write(draw, (90, 70), "Mathematics, year 9: second test", 40)
    write(draw, (90, 130), "Name", 26)
    draw.line((180, 160, 640, 160), fill=INK, width=2)
    write(draw, (760, 130), "Points          / 24", 26)
    draw.line((90, 190, 1150, 190), fill=INK, width=3)
    questions = [
        (220, "1.  Solve for x:   3x + 7 = 25      (3 points)"),
        (430, "2.  The two shorter sides of a right-angled triangle measure 5 cm and 12 cm."),
        (470, "     How long is the third side? Show your working.   (5 points)"),
        (1010, "3.  Tick the expressions that equal  (a + b)(a - b).   (4 points)"),
        (1240, "4.  A train leaves at 9.40 and arrives at 12.05. How long does the journey take?"),
    ]
    for top, text in questions:
        write(draw, (90, top), text, 26)
    for n, choice in enumerate(["aa - bb", "aa + bb", "aa - 2ab + bb", "(b + a)(a - b)"]):
        draw.rectangle((130 + 265 * n, 1084, 160 + 265 * n, 1114), outline=INK, width=2)
        write(draw, (174 + 265 * n, 1082), choice, 26)
    draw.line([(760, 900), (1090, 900), (1090, 640), (760, 900)], fill=INK, width=3)
    draw.rectangle((1064, 874, 1090, 900), outline=INK, width=2)
    write(draw, (900, 912), "12 cm", 24)
    write(draw, (1100, 760), "5 cm", 24)
    write(draw, (880, 730), "c", 26)
    for x in range(90, 1151, 38):
        draw.line((x, 1300, x, 1680), fill=(196, 208, 222), width=1)
    for y in range(1300, 1681, 38):
        draw.line((90, y, 1150, y), fill=(196, 208, 222), width=1)
    page = np.array(sheet)
    answer_exam(rng, page)
    save(scan(rng, page, -0.5, 2.2), str(HERE / "exam.jpg"), DPI, 82)


def answer_exam(rng: np.random.Generator, page: np.ndarray) -> None:
    """The pupil's blue pen and the teacher's red one."""
    pen, red = Pen(rng, BLUE, 2.8), Pen(rng, (200, 30, 40), 3.2)
    pen.write(page, (200, 108), "jonas p.", 54)
    for top, line in [(265, "3x = 25 - 7 = 18"), (330, "x = 6")]:
        pen.write(page, (150, top), line, 54)
    for top, line in [(540, "c = 5 + 12"), (610, "25 + 144 = 169"), (690, "c = 13 cm")]:
        pen.write(page, (150, top), line, 56)
    for left in (130, 925):
        pen.stroke(page, np.array([(left, 1098), (left + 14, 1114), (left + 42, 1070)]))
    for top, line in [(1316, "9.40 to 12.00  2 h 20 min"), (1392, "12.00 to 12.05  5 min"), (1468, "2 h 25 min")]:
        pen.write(page, (140, top), line, 58)
    for top in (340, 700, 1070, 1480):
        red.stroke(page, np.array([(44, top + 20), (58, top + 44), (88, top - 20)]))
    around = [(200 + 90 * np.cos(t), 1505 + 46 * np.sin(t)) for t in np.linspace(0, 6.5, 14)]
    red.stroke(page, np.array(around) + np.array([60, 0]))
    red.write(page, (846, 108), "21", 54)


LETTER = """Dear Mrs Albright,

thank you for your letter of the 9th and for the photographs of the mill, which arrived
without a scratch. My brother recognised the weir at once; he says that the old wheel was
taken out in the year of the flood, and that the oak beams went into the roof of the barn.

I have copied the three pages of the account book that you asked for. The figures in the
second column are bushels, not sacks, as far as I can tell: 48 in June, 61 in July and only
17 in August, when the river was too low to grind. What the letters K and B in the margin
mean I cannot say. Perhaps they are the initials of the carters.

If you come by in September, please bring the map. We could walk up to the spring together,
provided that the weather holds and my knee does not complain.

With kind regards to your husband,"""


def make_letter(rng: np.random.Generator) -> None:
    """A letter on stained, shaded paper with a head, a fold and a signature."""
    shade = np.linspace(1.0, 0.9, HEIGHT)[:, None] * np.linspace(0.97, 1.0, WIDTH)[None]
    tone = np.array([240, 226, 196], np.float32) * shade[..., None]
    tone += 2.5 * grain(rng, (HEIGHT, WIDTH), 120)[..., None] + 1.5 * grain(rng, (HEIGHT, WIDTH), 6)[..., None]
    fold = 5 * np.exp(-(((np.arange(HEIGHT) - 600) / 5.0) ** 2))[:, None, None]
    far = np.hypot(np.arange(WIDTH)[None] - 980, np.arange(HEIGHT)[:, None] - 1380)
    stain = 13 * np.exp(-(((far - 120) / 14) ** 2))[..., None] + 5 * (far < 120)[..., None]
    paper = np.clip(tone - fold - stain * (1, 1.2, 1.6), 0, 255).astype(np.uint8)
    sheet = Image.fromarray(paper)
    draw = ImageDraw.Draw(sheet)
    dark = (60, 46, 36)
    write(draw, (130, 110), "Harriet Thornbury", 46, (110, 40, 30))
    write(draw, (130, 168), "The Old School, Lower Fenwick", 24, dark)
    draw.line((130, 212, 1110, 212), fill=(110, 40, 30), width=3)
    write(draw, (860, 250), "14 August 1987", 26, dark)
    for n, line in enumerate(LETTER.splitlines()):
        write(draw, (130, 340 + 46 * n), line, 24, dark)
    page = np.array(sheet)
    Pen(rng, BLACK, 3.0).write(page, (150, 1190), "harriet thornbury", 78)
    save(scan(rng, page, 0.2, 1.8), str(HERE / "letter.png"), DPI)


def make_two_pages(rng: np.random.Generator) -> None:
    """A PDF: a scanned page with the text layer that some OCR left, and a born-digital page with a table."""
    size = (1000, 1414)
    sheet = blank((248, 247, 243), size)
    draw = ImageDraw.Draw(sheet)
    write(draw, (100, 90), "Minutes of the allotment society", 38)
    draw.line((100, 146, 900, 146), fill=INK, width=2)
    body = [
        "Present: 14 members. In the chair: R. Okafor. The minutes of the last meeting",
        "were read and approved.",
        "",
        "1. Water. The new pump arrived on 2 March and was fitted by Mr Lund. It draws",
        "800 litres an hour. The old one is for sale; offers go to the treasurer.",
        "",
        "2. Accounts. Income 1,204.50, expenses 986.20. The surplus of 218.30 is put",
        "aside for the fence on the north side.",
        "",
        "3. Any other business. Plot 17 is free from May. Hedges must be cut by the 30th.",
    ]
    for n, line in enumerate(body):
        write(draw, (100, 190 + 44 * n), line, 22)
    page = np.array(sheet)
    for n, height in enumerate([60, 95, 150, 120, 180, 140]):
        cv2.rectangle(page, (180 + 110 * n, 1000 - height), (250 + 110 * n, 1000), (96, 140, 110), -1)
    cv2.line(page, (150, 1000), (860, 1000), INK, 2)
    picture = Image.fromarray(scan(rng, page, -0.3, 2.0))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=80, dpi=(120, 120))
    document = pymupdf.open()
    first = document.new_page(width=600, height=848.4)
    first.insert_image(first.rect, stream=stream.getvalue())
    for n, line in enumerate(body):
        first.insert_text((60, 125 + 26.4 * n), line, fontsize=11, render_mode=3)
    add_price_list(document.new_page(width=595, height=842))
    document.set_metadata({"title": "Allotment society", "author": "R. Okafor"})
    document.save(HERE / "two-pages.pdf", deflate=True, garbage=4, no_new_id=True)


def add_price_list(page: pymupdf.Page) -> None:
    """The born-digital page: a heading, a table with shaded rows, small print."""
    page.insert_text((60, 90), "Price list for members", fontsize=24, fontname="tibo")
    page.insert_text((60, 115), "Valid from 1 April. All prices in pounds.", fontsize=11, fontname="tiro")
    rows = [
        ("Article", "Unit", "Price"), ("Garden compost", "40 l", "3.80"), ("Bark mulch", "60 l", "4.95"),
        ("Seed potatoes", "2.5 kg", "5.20"), ("Onion sets", "500 g", "2.10"), ("Bean poles", "10", "6.40"),
        ("Netting", "4 x 10 m", "12.75"), ("Rain gauge", "1", "7.90"),
    ]  # fmt: skip
    for n, row in enumerate(rows):
        top = 150 + 30 * n
        box = pymupdf.Rect(60, top, 535, top + 30)
        colour = (0.16, 0.3, 0.24) if n == 0 else (0.93, 0.96, 0.93) if n % 2 else (1, 1, 1)
        page.draw_rect(box, color=(0.4, 0.4, 0.4), fill=colour, width=0.7)
        ink = (1, 1, 1) if n == 0 else (0, 0, 0)
        for text, x in zip(row, (72, 330, 450), strict=True):
            page.insert_text((x, top + 20), text, fontsize=12, fontname="hebo" if n == 0 else "helv", color=ink)
    shape = page.new_shape()
    shape.draw_polyline([(60 + 12 * n, 520 + 60 * np.sin(n / 4)) for n in range(41)])
    shape.finish(color=(0.2, 0.4, 0.7), width=1.5, closePath=False)
    shape.commit()
    page.insert_text((60, 640), "Orders to the hut on Saturdays between 10 and 12.", fontsize=11, fontname="helv")
    page.insert_text((60, 660), "Goods are paid for on collection. No cheques.", fontsize=8, fontname="helv")


def main() -> None:
    """Make all of them, each from its own seed."""
    assert font(20) is not None
    for seed, make in enumerate((make_form, make_exam, make_letter, make_two_pages), start=1):
        make(np.random.default_rng(seed))


if __name__ == "__main__":
    main()
