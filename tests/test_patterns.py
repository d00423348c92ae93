"""A user's regular expressions: what is refused at once, and what is stopped."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.choosing import TextPolicy
from pipeline.errors import StageError, UsageError
from pipeline.patterns import LIMIT_SECONDS, check_pattern, find_pattern

ENDLESS = r"(a|a)+$"
PATTERNS = (r"\d+", r"(?i)jane\s+doe", r"[\w.]+@[\w.]+", r"^\S", r"(?<=No\. )\d*", r"\bx|", r"é+")


@pytest.mark.parametrize(("pattern", "match"), [("(", "not valid"), ("[a", "not valid"), ("", "empty")])
def test_what_is_no_pattern_is_refused(pattern, match):
    with pytest.raises(UsageError, match=match):
        check_pattern(pattern)
    with pytest.raises(UsageError, match=match):
        TextPolicy(keep=(pattern,))


@given(st.sampled_from(PATTERNS), st.text("Jane Do3@.No x\néé12", max_size=40))
def test_matches_are_those_of_pythons_engine(pattern, text):
    assert find_pattern(pattern, text, "x") == [match.span() for match in re.finditer(pattern, text)]


def test_a_pattern_that_backtracks_without_end_is_stopped_and_named():
    begun = time.process_time()
    with pytest.raises(StageError, match=r"--match pattern 2 takes more than 2 s.*repeats in repeats") as caught:
        find_pattern(ENDLESS, "a" * 60 + "!", "--match pattern 2")
    assert time.process_time() - begun < 3 * LIMIT_SECONDS
    assert ENDLESS not in str(caught.value)  # reports hold nothing that was looked for
