"""Lines of type and handwriting as ink coverage, from font files, in as many scripts as each font has.

A font is asked for no character it lacks: Pillow draws a missing glyph as the font's own box, so what looks like that
box, or like nothing, is missing.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from pipeline.errors import InputError
from pipeline.types import Array

SUFFIXES = (".ttf", ".otf", ".ttc", ".t1", ".pfb", ".woff", ".woff2")
SMALLEST_PX, LARGEST_PX = 24, 120  # heights of what is drawn: training scales it to 6 to 200 px
WIDEST_PX = 1400
LATIN_WEIGHT = 4  # against 1 for each other script a font has
_PROBE_PX = 32
_MISSING = "\U0010fffe"  # no font has it
JOINED = ("arabic", "devanagari", "bengali", "tamil", "telugu", "gujarati", "khmer")  # a letter depends on the next

# What is written: the words' order is drawn at random, so these are only there to have natural words
WORDS = {
    "latin": (
        "Name Date Signature Address Total Amount Invoice Class Answer the of and to in is you that it he was for"
        " on are with as his they at be this have from question number which write your please complete received paid"
        " Monday School Teacher correct example because little people quickly jumps over lazy brown fox"
        " hospital patient certificate yes no good work see page copy original balance due signed witness minimum value"
    ),
    "accents": (
        "Größe Straße für über Käse März Prüfung façade élève être où reçu naïve garçon forêt señor mañana año"
        " ação coração São não às più perché città smörgås åtta även øl æble hôpital čeština žluťoučký kůň ďábel"
        " zażółć gęślą jaźń łódź őrült űr şehir ığdır çocuk vāls ģimene ţară împărat"
    ),
    "greek": "Όνομα ημερομηνία σχολείο τάξη απάντηση και το της είναι από με για δεν Ελλάδα γράψτε σωστό άσκηση",
    "cyrillic": (
        "Имя дата подпись адрес школа класс ответ вопрос число сумма и не на что это как его для работа проверка"
        " Україна їжак ґанок љубав њега ћуприја щука объём ёлка"
    ),
    "arabic": "الاسم التاريخ المدرسة الصف سؤال جواب في من على هذا كتاب العربية اللغة درس رقم التوقيع مدينة",
    "hebrew": "שם תאריך חתימה כתובת בית ספר שאלה תשובה של את על זה עבודה מספר ילד ספר לימוד",
    "devanagari": "नाम दिनांक हस्ताक्षर विद्यालय कक्षा प्रश्न उत्तर और है में के लिए यह पुस्तक भारत हिन्दी संख्या अंक",
    "bengali": "নাম তারিখ স্বাক্ষর বিদ্যালয় শ্রেণী প্রশ্ন উত্তর এবং বাংলা ভাষা বই সংখ্যা",
    "tamil": "பெயர் தேதி கையொப்பம் பள்ளி வகுப்பு கேள்வி பதில் தமிழ் மொழி புத்தகம் எண்",
    "thai": "ชื่อ วันที่ ลายเซ็น ที่อยู่ โรงเรียน ชั้น คำถาม คำตอบ และ ของ ภาษาไทย หนังสือ ตัวเลข",
    "korean": "이름 날짜 서명 주소 학교 학년 문제 정답 그리고 한국어 시험 점수 선생님 학생 번호 금액 확인",
    "georgian": "სახელი თარიღი ხელმოწერა სკოლა კლასი კითხვა პასუხი და ქართული ენა წიგნი",
    "armenian": "անուն ամսաթիվ ստորագրություն դպրոց դասարան հարց պատասխան և հայերեն լեզու",
    "telugu": "పేరు తేదీ సంతకం పాఠశాల తరగతి ప్రశ్న సమాధానం మరియు తెలుగు భాష",
    "gujarati": "નામ તારીખ સહી શાળા વર્ગ પ્રશ્ન જવાબ અને ગુજરાતી ભાષા",
    "ethiopic": "ስም ቀን ፊርማ ትምህርት ቤት ክፍል ጥያቄ መልስ እና አማርኛ ቋንቋ",
    "khmer": "ឈ្មោះ ថ្ងៃ ហត្ថលេខា សាលា ថ្នាក់ សំណួរ ចម្លើយ និង ភាសា ខ្មែរ",
    "kana": "なまえ ひづけ がっこう しけん こたえ です ます カタカナ テスト クラス プリント ありがとう これは",
}
HAN = (
    "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后小么心多天"
    "而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身"
    "些与高意进把法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第"
    "學校試驗答案數語姓號題東門車書長風國會時間漢字電話請問個這為們來說對氏年級班考試日期簽名總分得分"
)
SIGNS = {
    "han": HAN,
    "maths": "∑∫√∞≤≥≠±×÷≈∂∇∈∉⊂∪∩→⇒∀∃αβγδελμπσφωΔΩ°²³½%‰",
    "marks": "!?.,;:()[]{}/-–—+=*&@#€£$§\"'<>|~^_•…",
    "circled": "①②③④⑤⑥⑦⑧⑨⑩❶❷❸❹❺❻❼❽❾❿ⒶⒷⒸⒹⒺⓐⓑⓒⓓⓔ㊀㊁㊂",
    "digits": "0123456789",
    "letters": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
}

_Drawn = tuple[tuple[int, int], bytes]  # size and pixels


class Typeface:
    """A font file, and what can be written with it. Not safe to share between threads.

    Raises InputError when it is no font FreeType can draw with.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sizes: dict[int, ImageFont.FreeTypeFont] = {}
        self._without: dict[str, tuple[_Drawn, _Drawn]] = {}  # what a letter looks like without what is looked for
        try:
            self._draw_bytes(_MISSING)
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be used as a font: {error}", "leave it out") from error

    @property
    def family(self) -> str:
        """The name the font's styles and subsets have in common."""
        return str(self._at(_PROBE_PX).getname()[0])

    def _at(self, size: int) -> ImageFont.FreeTypeFont:
        if size not in self._sizes:
            self._sizes = {size: ImageFont.truetype(self.path, size)}  # one is kept: they are large
        return self._sizes[size]

    def _draw_bytes(self, text: str) -> _Drawn:
        ink = self._at(_PROBE_PX).getmask(text, mode="L")
        return ink.size, bytes(ink)

    def has(self, character: str, after: str = "") -> bool:
        """Whether the font draws something of its own for a character; a mark is drawn ``after`` a letter."""
        drawn = self._draw_bytes(after + character)
        if after not in self._without:
            self._without[after] = (self._draw_bytes(after + _MISSING), self._draw_bytes(after))
        return any(drawn[1]) and drawn not in self._without[after]

    @cached_property
    def words(self) -> dict[str, list[str]]:
        """The words of each script that can be written in full; scripts with fewer than three are left out."""
        found = {}
        known: dict[str, bool] = {}
        for script, text in WORDS.items():
            for character in sorted(set(text) - known.keys()):
                known[character] = self.has(character, text[0] if unicodedata.category(character)[0] == "M" else "")
            usable = [word for word in text.split() if all(known[character] for character in word)]
            if len(usable) >= 3 and (script not in JOINED or any(map(self._joins, usable))):
                found[script] = usable
        return found

    @cached_property
    def spaced(self) -> bool:
        """Whether the space is empty: subsets of fonts may have none, and draw a box for it."""
        return not any(self._draw_bytes(" ")[1])

    def _joins(self, word: str) -> bool:
        """Whether letters become one word: kept apart by a sign that is itself unseen, they look different."""
        return bool(features.check("raqm")) and self._draw_bytes(word) != self._draw_bytes("\u200c".join(word))

    @cached_property
    def signs(self) -> dict[str, str]:
        """The characters the font has of each kind in SIGNS; kinds with fewer than five are left out."""
        found = {kind: "".join(sign for sign in signs if self.has(sign)) for kind, signs in SIGNS.items()}
        return {kind: signs for kind, signs in found.items() if len(signs) >= 5}

    def write(self, text: str, size_px: int) -> Array | None:
        """``text`` as ink coverage, (H, W) uint8, 255 where a pixel is ink whole, cut to its ink.

        ``size_px`` is the font's em in pixels. None when nothing is drawn, or more than training can use.
        """
        font = self._at(size_px)
        left, top, right, bottom = (int(edge) for edge in font.getbbox(text))
        if right - left > WIDEST_PX or bottom - top > 4 * LARGEST_PX:
            return None
        canvas = Image.new("L", (right - left + 2 * size_px, bottom - top + 2 * size_px))
        ImageDraw.Draw(canvas).text((size_px - left, size_px - top), text, 255, font=font)
        box = canvas.getbbox()
        return np.asarray(canvas.crop(box)) if box else None


def find_fonts(folders: tuple[Path, ...]) -> list[Path]:
    """All font files in folders, however deep, sorted; a font file itself may be given too."""
    found = {path for folder in folders for path in ([folder] if folder.is_file() else folder.rglob("*"))}
    return sorted(path for path in found if path.suffix.lower() in SUFFIXES and path.is_file())


def draw_line(face: Typeface, random_state: random.Random) -> tuple[Array, str] | None:
    """A line of what is written on pages, as ink coverage, (H, W) uint8, and its text; None when nothing came of it.

    Its glyphs are 24 to 120 px high, mostly small. The same state of ``random_state`` makes the same line.
    """
    text = _compose(face, random_state)
    if not face.spaced:
        text = text.split(" ")[0]
    if not text:
        return None
    size = round(SMALLEST_PX * 1.4 * (LARGEST_PX / SMALLEST_PX) ** (random_state.random() ** 2))
    if len(text) > 12:
        size = min(size, 56)
    ink = face.write(text, min(size, LARGEST_PX))
    if ink is None or min(ink.shape) < 2 or ink.max() < 128:
        return None
    return ink, text


def _compose(face: Typeface, random_state: random.Random) -> str:
    """What to write: words mostly, then numbers, dates, amounts, formulas, and single characters."""
    pick = random_state.random()
    signs = face.signs
    if pick < 0.55 and face.words:
        return _sentence(face, random_state)
    if pick < 0.7 and "han" in signs:
        return "".join(random_state.choices(signs["han"], k=random_state.randint(1, 16)))
    if pick < 0.85 and signs.get("digits") == SIGNS["digits"]:
        text = random_state.choice(_NUMBERS)(random_state)
        return "".join(sign for sign in text if sign == " " or face.has(sign))
    if pick < 0.91 and "maths" in signs and "digits" in signs:
        return " ".join(
            random_state.choice(signs["maths"] + signs["digits"]) for _ in range(random_state.randint(1, 8))
        )
    letters = (sign for script, words in face.words.items() if script not in JOINED for sign in "".join(words))
    pool = "".join(signs.values()) + "".join(sign for sign in letters if unicodedata.category(sign)[0] != "M")
    return "".join(random_state.choices(pool, k=random_state.choice((1, 1, 1, 2, 3, 6)))) if pool else ""


def _sentence(face: Typeface, random_state: random.Random) -> str:
    scripts = sorted(face.words)
    script = random_state.choices(scripts, [LATIN_WEIGHT if script == "latin" else 1 for script in scripts])[0]
    chosen = random_state.choices(face.words[script], k=random_state.choice((1, 1, 1, 2, 2, 3, 4, 5, 6)))
    text = " ".join(chosen)
    if script != "latin":
        return text
    if random_state.random() < 0.15 and face.signs.get("letters") == SIGNS["letters"]:
        text = text.upper()
    stop = random_state.choice((*"   .,:?",))
    return text + stop if stop in face.signs.get("marks", "") else text


_NUMBERS: tuple[Callable[[random.Random], str], ...] = (
    lambda state: str(state.randint(0, 10 ** state.randint(1, 9))),
    lambda state: f"{state.randint(1, 31):02}.{state.randint(1, 12):02}.{state.randint(1950, 2035)}",
    lambda state: f"{state.randint(1, 12)}/{state.randint(1, 31)}/{state.randint(0, 99):02}",
    lambda state: f"{state.randint(1950, 2035)}-{state.randint(1, 12):02}-{state.randint(1, 31):02}",
    lambda state: f"{state.choice('$€£')}{state.randint(0, 99999):,}.{state.randint(0, 99):02}",
    lambda state: f"{state.randint(0, 100)} %",
    lambda state: f"{state.randint(1, 99)} + {state.randint(1, 99)} = {state.randint(1, 198)}",
    lambda state: f"({state.randint(100, 999)}) {state.randint(100, 999)}-{state.randint(1000, 9999)}",
    lambda state: f"{state.randint(0, 23)}:{state.randint(0, 59):02}",
)
