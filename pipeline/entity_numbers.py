"""Entities made of figures, most with a checksum: accounts, cards, phones, tax and identity numbers, amounts.

Checksums and national rules are python-stdnum's, phone numbers libphonenumber's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

import phonenumbers
from stdnum import get_cc_module, iban, luhn
from stdnum.us import ssn

from pipeline.lookalikes import read_as_digits

_Span = tuple[int, int]

# Lengths of IBANs by country (SWIFT's IBAN registry)
_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18,
    "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24,
    "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24,
    "XK": 20,
}  # fmt: skip
_IBAN_START = re.compile(r"(?:(?<![A-Za-z0-9])|(?<=[a-z])(?=[A-Z]))([A-Za-z0-9]{2}) ?([\dOoQDIlSBZ]) ?([\dOoQDIlSBZ])")
_REST = re.compile(r"(?: ?\d){0,2}[^\w\s]{0,2}(?!\S)")
# A country's letters as they may be misread
_AS_LETTERS = str.maketrans("0158264", "OISBZGA"), str.maketrans("0158264", "DISBZGA")
_CARD = re.compile(r"(?<![\d.])[2-6](?:[ -]?\d){11,18}(?!\d)")
_CARD_GROUPS = re.compile(r"[2-6]\d{3}([ -])\d{4}\1\d{4}\1\d{4}|3[47]\d\d([ -])\d{6}\2\d{5}")
_IBAN_BEFORE = re.compile(r"[A-Z]{2}\d\d ?$")
_SSN = re.compile(r"(?<![\d-])(\d{3}) ?[- .]? ?(\d\d) ?[- .]? ?(\d{4})(?![\d-])")
_PHONE = re.compile(r"(?:(?<![\w.])|(?<=[a-z]{2}))(?:\+ ?|\()?\d(?: ?(?:[()/.-]{1,2} ?)?\d){5,16}(?!\d)")
# a date, a social security number
_NO_PHONE = re.compile(r"\d\d?[./-]\d\d?[./-]\d{4}|\d{4}[./-]\d\d?[./-]\d\d?|\d{3}[- ]\d\d[- ]\d{4}")
_PHONE_GROUPED = re.compile(r"\d ?[()/. -]{1,3} ?\d")
# Where phone numbers without a country may come from
_REGIONS = (
    "US",
    "GB",
    "DE",
    "FR",
    "ES",
    "IT",
    "NL",
    "BE",
    "CH",
    "AT",
    "LU",
    "PL",
    "SE",
    "DK",
    "AU",
    "IN",
    "JP",
    "CN",
    "BR",
)
# In North America the area code shows; elsewhere a number within the country begins with 0, where there is one
_WITHOUT_ZERO = ("ES", "IT", "PL", "DK", "US", "LU", "BR", "IN", "CN")
_VAT = re.compile(
    r"(?:(?<![A-Za-z0-9])|(?<=[a-z]))"
    r"(ATU?|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|GB|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK)[ -]?"
    r"((?:[\dA-Z][ .-]?){7,13}[\dA-Z]?)(?![A-Za-z0-9])"
)
_CURRENCY = r"(?:€|\$|£|¥|￥|₹|EUR|USD|GBP|CHF|JPY|AUD|CAD|SEK|NOK|DKK|PLN|CZK|Fr\.)"
_FIGURE = r"\d{1,3}(?:[ .,'’`]\d{3})*(?:[.,] ?(?:\d\d|-{1,2}|—))?(?!\d)|\d+(?:[.,] ?\d\d)?(?!\d)"
_AMOUNT = (
    re.compile(rf"(?<!\w){_CURRENCY}[:.]? ?(?:{_FIGURE})"),
    re.compile(rf"(?<![\w.,])(?:{_FIGURE}) ?{_CURRENCY}(?![A-Za-z])"),
)
# (country, module of python-stdnum, layout): those whose checksum or layout is strong enough without a label
_NATIONAL = tuple(
    (country, module, re.compile(rf"(?<![A-Za-z0-9]){layout}(?![A-Za-z0-9])"))
    for country, module, layout in (
        ("ch", "ssn", r"756[. ]?\d{4}[. ]?\d{4}[. ]?\d\d"),
        ("fr", "nir", r"[12] ?\d\d ?\d\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d"),
        ("be", "nn", r"\d\d[. ]?\d\d[. ]?\d\d[- ]?\d{3}[. ]?\d\d"),
        ("it", "codicefiscale", r"[A-Z]{6}\d\d[A-Z]\d\d[A-Z]\d{3}[A-Z]"),
        ("es", "dni", r"\d{8}[- ]?[A-Z]"),
        ("es", "nie", r"[XYZ][- ]?\d{7}[- ]?[A-Z]"),
        ("pl", "pesel", r"\d{11}"),
        ("se", "personnummer", r"(?:19|20)?\d{6}[-+]\d{4}"),
        ("fi", "hetu", r"\d{6}[-+A]\d{3}[0-9A-Y]"),
        ("dk", "cpr", r"\d{6}-\d{4}"),
        ("gb", "nhs", r"\d{3} \d{3} \d{4}"),
        ("de", "idnr", r"\d\d ?\d{3} ?\d{3} ?\d{3}"),
        ("cn", "ric", r"\d{17}[\dX]"),
    )
)
_NINO = re.compile(r"(?<![A-Za-z0-9])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D](?![A-Za-z0-9])")
_LABELS = {
    "credit-card": re.compile(r"card|karte|carte|tarjeta|visa|master|amex|kredit|pan\b", re.IGNORECASE),
    "ssn": re.compile(r"ssn|social|s\.s\.n|soc\. ?sec", re.IGNORECASE),
    "phone": re.compile(r"tel|phone|fax|mobil|handy|cell|fon\b|call|ruf|portable|movil|móvil|電話|电话", re.IGNORECASE),
    "vat-id": re.compile(r"vat|ust|mwst|tva|iva|btw|uid|tax", re.IGNORECASE),
}
_LABEL_REACH = 28


def _labelled(text: str, start: int, kind: str) -> bool:
    """Whether a label for this kind stands in the words before, with no other number in between."""
    before = text[max(0, start - _LABEL_REACH) : start]
    since = re.split(r"\d{3,}", before)[-1]
    return bool(_LABELS[kind].search(since))


def _in_both(pattern: re.Pattern[str], text: str, digits: str) -> Iterator[re.Match[str]]:
    for spelling in dict.fromkeys((text, digits)):
        yield from pattern.finditer(spelling)


def find_ibans(text: str, digits: str) -> Iterator[_Span]:
    """IBANs: those with a country's letters and length whose sum holds, or that stand in fours or unbroken."""
    del digits
    certain = 0  # up to where one goes whose sum holds: groups within it are no starts of others
    for match, table in product(_IBAN_START.finditer(text), _AS_LETTERS):
        if match.start() < certain:
            continue
        country = match.group(1).upper().translate(table)
        length = _IBAN_LENGTHS.get(country)
        # to misread is also to read a sign too few at the end, which is next to the form's rule
        for count in (length, length - 1, length - 2) if length else ():
            end = _after_signs(text, match.start(), count)
            written = text[match.start() : end]
            holds = bool(end) and _iban_holds(country, written)
            if end and (holds or _looks_like_iban(written, text[end : end + 1])):
                certain = end if holds and match.group(1).isalpha() else certain
                rest = _REST.match(text, end)
                yield match.start(), rest.end() if rest else end
                break


def _after_signs(text: str, start: int, count: int) -> int | None:
    """Where the ``count``-th letter or digit from ``start`` ends, at most two other signs between any two; or None."""
    others = 0
    for index in range(start, len(text)):
        if text[index].isalnum() or text[index] == "|":
            count, others = count - 1, 0
            if not count:
                return index + 1
        else:
            others += 1
            if others > 2 or text[index] not in " .,-\n":
                return None
    return None


def _iban_holds(country: str, written: str) -> bool:
    rest = re.sub(r"[^A-Za-z0-9|]", "", written)[2:]
    return any(iban.is_valid(country + body) for body in {rest.upper(), read_as_digits(rest).upper()})


def _looks_like_iban(written: str, after: str) -> bool:
    """In groups of four or unbroken, ends where a word ends, and is mostly digits."""
    groups = written.split()
    regular = len(groups) == 1 or all(len(group) == 4 for group in groups[:-1])
    figures = sum(c.isdigit() or c in "OoQIl|" for c in written)
    return regular and not after.isalnum() and 2 * figures > len("".join(groups)) and written[:2].isalpha()


def find_cards(text: str, digits: str) -> Iterator[_Span]:
    """Card numbers: 13 to 19 digits whose Luhn sum holds, or in a card's groups, or after a label."""
    for match in _in_both(_CARD, text, digits):
        if _IBAN_BEFORE.search(text[: match.start()]):
            continue
        compact = re.sub(r"\D", "", match.group())
        grouped = _CARD_GROUPS.fullmatch(match.group())
        plausible = 13 <= len(compact) <= 19 and luhn.is_valid(compact) and _regular(match.group())
        if grouped or plausible or (_labelled(text, match.start(), "credit-card") and 13 <= len(compact) <= 19):
            yield match.span()


def _regular(written: str) -> bool:
    """Whether the digits are unbroken or in groups of three or more: not a row of a table."""
    return all(len(group) >= 3 for group in re.split(r"[ -]", written)[:-1])


def find_ssns(text: str, digits: str) -> Iterator[_Span]:
    """US social security numbers in the ranges that are issued, written in 3-2-4 groups or after a label."""
    for match in _in_both(_SSN, text, digits):
        label = _labelled(text, match.start(), "ssn")
        grouped = bool(re.fullmatch(r"\d{3} ?[- .] ?\d\d ?[- .] ?\d{4}", match.group()))
        if label or (grouped and ssn.is_valid("-".join(match.groups()))):
            yield match.span()


def find_phones(text: str, digits: str) -> Iterator[_Span]:
    """Phone numbers: international ones, national ones valid in one of many countries, any after a label."""
    for match in _in_both(_PHONE, text, digits):
        written, start = match.group(), match.start()
        if _NO_PHONE.fullmatch(written) and not _labelled(text, start, "phone"):
            continue
        if _labelled(text, start, "phone") or _is_phone(written):
            yield start, match.end()


def _is_phone(written: str) -> bool:
    compact = re.sub(r"\D", "", written)
    if written.startswith("+") or compact.startswith("00"):
        return _valid(f"+{compact.removeprefix('00')}", None) or (written.startswith("+") and len(compact) >= 9)
    grouped = bool(_PHONE_GROUPED.search(written))
    if re.fullmatch(r"\(?\d{3}\)? ?[-. ]? ?\d{3} ?[-. ] ?\d{4}", written):
        return True
    if compact.startswith("0") and 9 <= len(compact) <= 12 and not _too_broken(written):
        return any(_valid(compact, region) for region in _REGIONS)
    regular = grouped and not _too_broken(written) and not re.search(r"\d{5,}", written) and "." not in written
    return regular and 9 <= len(compact) <= 11 and any(_valid(compact, region) for region in _WITHOUT_ZERO)


def _too_broken(written: str) -> bool:
    """Whether the digits stand alone or in a row of many groups: a scale or a table's row."""
    groups = re.findall(r"\d+", written)
    return len(groups) > 6 or (len(groups) > 1 and sum(len(group) == 1 for group in groups) > 2)


def _valid(number: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


def find_vat_ids(text: str, digits: str) -> Iterator[_Span]:
    """VAT numbers of the EU's countries, Switzerland and the United Kingdom whose checks hold, or after a label."""
    for match in re.finditer(r"\bCHE[- ]?\d{3}\.?\d{3}\.?\d{3}(?: ?(?:MWST|TVA|IVA))?", digits):
        yield match.span()
    for match in _VAT.finditer(text):
        for end in _word_ends(text, match.start(2), match.end()):
            if _is_vat(match.group(1), text[match.start(2) : end], _labelled(text, match.start(), "vat-id")):
                yield match.start(), end
                break


def _word_ends(text: str, start: int, end: int) -> Iterator[int]:
    """Ends of words, the farthest first: the number may be followed by more."""
    yield from (index for index in range(end, start + 6, -1) if index == len(text) or not text[index].isalnum())


def _is_vat(prefix: str, body: str, labelled: bool) -> bool:
    country, extra = prefix[:2].lower(), prefix[2:]
    compact = extra + re.sub(r"[^A-Z0-9]", "", body)
    figures = sum(c.isdigit() for c in compact)
    spellings = {compact, extra + re.sub(r"\D", "", read_as_digits(body))}
    return any(_checks(country, "vat", spelling) for spelling in spellings) or (labelled and figures >= 7)


def _checks(country: str, module: str, number: str) -> bool:
    """Whether a number is valid by the rules of python-stdnum's module for it."""
    rules = get_cc_module(country, module)
    return rules is not None and bool(rules.is_valid(number))


def find_national_ids(text: str, digits: str) -> Iterator[_Span]:
    """Identity and insurance numbers of a dozen countries whose checks hold."""
    yield from (match.span() for match in _NINO.finditer(text))
    for (country, module, layout), spelling in product(_NATIONAL, (text, digits)):
        for match in layout.finditer(spelling):
            if _checks(country, module, match.group()):
                yield match.span()


def find_amounts(text: str, digits: str) -> Iterator[_Span]:
    """Amounts of money with their currency."""
    for pattern, spelling in product(_AMOUNT, (text, digits)):
        yield from (match.span() for match in pattern.finditer(spelling))
