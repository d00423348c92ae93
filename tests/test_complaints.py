"""What libraries say of a document reaches reports; what they quote of it does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.complaints import without_names


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("syntax error: unknown keyword: 'SECRET'", "syntax error: unknown keyword"),
        ("syntax error: cannot find ExtGState resource 'SECRET'", "syntax error: cannot find ExtGState resource"),
        (
            "non-embedded font using identity encoding: SECRET (mapping via TrueType-UCS2)",
            "non-embedded font using identity encoding",
        ),
        ("premature end of data in flate filter", "premature end of data in flate filter"),
        ("format error: cannot find startxref", "format error: cannot find startxref"),
        ("cannot find font Secret anywhere", "cannot find font ... anywhere"),
        ("unknown operator größe here", "unknown operator ... here"),
        ("", ""),
    ],
)
def test_only_what_the_library_says_is_kept(message, kept):
    assert without_names(message) == kept


@given(
    st.from_regex(r"[A-Z][A-Za-z]{5,12}", fullmatch=True),
    st.sampled_from(["'%s'", "%s", ": %s", "(%s)", "/%s", "<%s>"]),
)
def test_no_name_with_a_capital_passes(name, how):
    assert name not in without_names("format error: no such thing " + how % name + " in it")


@given(st.text(max_size=80))
def test_any_message_can_be_cut(message):
    assert len(without_names(message)) <= len(message) + 3 * len(message.split())
