"""Entities known by their look: e-mail addresses, web addresses, dates, IP addresses, postcodes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

_Span = tuple[int, int]

# Ends of domains that stand so often that they are known without their surroundings
_TLD = (
    r"(?:com|org|net|edu|gov|mil|info|biz|eu|int|io|app|dev|de|fr|uk|us|ca|au|nz|ch|at|it|es|pt|nl|be|lu|dk|se|no|fi"
    r"|ie|pl|cz|sk|hu|ro|gr|tr|ru|ua|cn|jp|kr|in|br|mx|ar|za|il|example|test)"
)
_MAIL_HOST = (
    r"(?:g[o0]?[o0]?glemail|gmail|outlook|hotmail|yahoo|live|icloud|aol|gmx|web|proton(?:mail)?|t-online|freenet"
    r"|orange|wanadoo|laposte|libero|msn|mail|yandex|qq|163)"
)
# Before the @, also with a space beside its dots. Patterns here never have two ways to match the same text: that
# would take for ever on a row of dots
_LOCAL = r"(?<![\w.+%-])[\w.+%-]+(?: (?:(?=[._])|(?<=[._] ))[\w.+%-]+)*"
_EMAIL = (
    # any word with a look-alike of @ inside; what else is in it was read, rightly or wrongly
    re.compile(rf"{_LOCAL} ?(?:@|©|®|\(at\)|\[at\]|\(a\)|\{{at\}}) ?[\w-]*[^\W\d_][\w-]*(?:\.[\w-]+)*"),
    re.compile(rf"{_LOCAL} ?(?:@|©|®| at ) ?[\w-]+(?: ?[.,] ?[\w-]+)*? ?[.,] ?{_TLD}\b", re.IGNORECASE),
    # the @ not read at all, or as a letter
    re.compile(rf"[\w.+%-]{{2,}}{_MAIL_HOST} ?[.,] ?{_TLD}\b", re.IGNORECASE),
)
_URL = (
    re.compile(r"\bh[t1]{2}ps? ?[:;.] ?/? ?/ ?\S+", re.IGNORECASE),
    re.compile(r"\b[wvWV]{3} ?[.,] ?\S+"),
    re.compile(rf"\b[wvWV]{{3}} ?[.,] ?[\w.-]+(?: [\w.-]+){{0,5}}? ?[.,] ?{_TLD}\b(?: ?/ ?[\w./?=&%-]*)?"),
    re.compile(rf"(?<![\w@.])[a-z0-9-]{{3,}} ?\. ?{_TLD}(?=\s*$)"),
    re.compile(rf"(?<![\w@.])(?:[a-z0-9-]+\.)+{_TLD}\b(?:/\S*)?(?!\s?@)", re.IGNORECASE),
    re.compile(r"(?<![\w@.])[a-z0-9-]+(?:\.[a-z0-9-]+)* ?\. ?(?:com|org|net)\b(?:/\S*)?", re.IGNORECASE),
)
_MONTH = (
    r"(?:jan(?:uary|uar|vier|v)?|feb(?:ruary|ruar)?|f[eé]v(?:rier)?|m[aä]r(?:ch|z|s|zo)?|mrz|apr(?:il|ile)?|avr(?:il)?"
    r"|ma[iy]|maggio|mayo|jun[ei]?|juin|giugno|junio|jul[yi]?|juil(?:let)?|luglio|julio|aug(?:ust)?|ao[uû]t|agosto"
    r"|sept?(?:ember|embre)?|o[ck]t(?:ober|obre)?|octubre|nov(?:ember|embre)?|de[czs](?:ember|embre)?|d[eé]c(?:embre)?"
    r"|enero|febrero|marzo|abril|gennaio|febbraio|ottobre|dicembre|settembre)"
)
_DAY, _NUMBER, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:(?:1[89]|20|21)\d\d)"
# Marks between the figures of a date; a full stop may be read as a comma
_MARKS = (r"(?:\. ?| \.|,)", r" ?/ ?", r" ?- ?")
_FIGURE_DATES = (
    *(rf"{_DAY}{mark}{_NUMBER}{mark}(?:{_YEAR}|\d\d)" for mark in _MARKS),
    *(rf"{_NUMBER}{mark}{_DAY}{mark}(?:{_YEAR}|\d\d)" for mark in _MARKS),
    *(rf"{_YEAR}{mark}{_NUMBER}{mark}{_DAY}" for mark in _MARKS),
    rf"{_DAY} {_NUMBER} {_YEAR}",
    rf"{_NUMBER} {_DAY} {_YEAR}",
    rf"{_YEAR} (?:0[1-9]|1[0-2]) (?:0[1-9]|[12]\d|3[01])",
    rf"{_NUMBER} ?/ ?{_YEAR}",
    rf"{_DAY}(?:st|nd|rd|th|er|º|o)?[. ,-]{{0,2}}(?:of |de |di )?{_MONTH}\b[. ,-]{{0,2}}(?:de )?(?:{_YEAR}|'?\d\d)",
    rf"{_DAY}(?:st|nd|rd|th|er|º)?[. -]{{1,2}}(?:of |de |di )?{_MONTH}\b",
    rf"{_YEAR} ?[年년] ?{_NUMBER} ?[月월] ?{_DAY} ?[日일]?",
    r"(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])(?:19|20)\d\d",
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])",
)
_DATE = (
    *(re.compile(rf"(?<![\d.,/-]){pattern}(?!\d)", re.IGNORECASE) for pattern in _FIGURE_DATES),
    re.compile(rf"\b{_MONTH}\b[. -]{{1,2}}{_DAY}(?:st|nd|rd|th)?(?:[ ,.]{{1,2}}{_YEAR})?(?!\d)", re.IGNORECASE),
    re.compile(rf"\b{_MONTH}\b[. ,-]{{1,2}}{_YEAR}(?!\d)", re.IGNORECASE),
)
_IP4 = re.compile(r"(?<![\d.])\d{1,3}(?: ?\. ?\d{1,3}){3}(?![\d.]*\d)")
_IP6 = re.compile(r"(?<![\w:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_POSTCODE = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b[A-Z]{1,2}\d[A-Z\d]? ?\d[ABD-HJLNP-UW-Z]{2}\b",  # United Kingdom
        r"\b[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z][ -]?\d[ABCEGHJ-NPRSTV-Z]\d\b",  # Canada
        r"(?<![\d-])\d{5}-\d{4}(?![\d-])",  # United States, ZIP+4
        r"\b(?:D|A|CH|F|B|L|I|E|DK|S|N|FIN|PL|CZ)-\d{4,5}\b",
        r"\b(?!0)\d{4} ?(?!SS|SD|SA)[A-Z]{2}\b(?! ?\d)",  # Netherlands
        r"〒 ?\d{3}-?\d{4}",
        r"\b(?:A[LKZR]|C[AOT]|D[CE]|FL|GA|HI|I[DLNA]|K[SY]|LA|M[EDAINSOT]|N[EVHJMYCD]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[TA]"
        r"|W[AVIY]),? \d{5}\b",
    )
)


def find_emails(text: str, digits: str) -> Iterator[_Span]:
    """E-mail addresses, also with spaces at their dots, a misread @, or none before a well-known provider."""
    del digits
    for pattern in _EMAIL:
        yield from (match.span() for match in pattern.finditer(text))


def find_urls(text: str, digits: str) -> Iterator[_Span]:
    """Web addresses, and names of hosts under well-known ends of domains."""
    del digits
    for pattern in _URL:
        yield from (match.span() for match in pattern.finditer(text))


def find_dates(text: str, digits: str) -> Iterator[_Span]:
    """Dates in figures or with a month's name in English, German, French, Spanish or Italian; months with a year."""
    for pattern in _DATE:
        yield from (match.span() for match in pattern.finditer(digits))
        yield from (match.span() for match in pattern.finditer(text))


def find_ip_addresses(text: str, digits: str) -> Iterator[_Span]:
    """IPv4 addresses, and IPv6 addresses that Python can parse."""
    for match in _IP4.finditer(digits):
        if all(int(part) < 256 for part in match.group().split(".")):
            yield match.span()
    for match in _IP6.finditer(text):
        try:
            ipaddress.IPv6Address(match.group())
        except ValueError:
            continue
        yield match.span()


def find_postcodes(text: str, digits: str) -> Iterator[_Span]:
    """Postcodes whose look leaves no doubt: British, Canadian, Dutch, Japanese, ZIP+4, and those with a country."""
    for pattern in _POSTCODE:
        yield from (match.span() for match in pattern.finditer(text))
        yield from (match.span() for match in pattern.finditer(digits))
