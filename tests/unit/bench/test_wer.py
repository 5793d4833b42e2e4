import pytest

from bench.protocol import JOINED, Clip
from bench.recordings import Recording
from bench.wer import word_error_ratio

RECORDINGS = [
    Recording(Clip("one", "", 1.0), "read_en", "mister brown's colour"),
    Recording(Clip("two", "", 1.0), "read_en", "twenty three men"),
]


def test_spelling_case_and_marks_do_not_count() -> None:
    assert word_error_ratio({"one": "Mr. Brown's color!", "two": "23 men."}, RECORDINGS) == 0


def test_a_missing_text_is_all_deletions() -> None:
    assert word_error_ratio({"one": "Mr. Brown's color"}, RECORDINGS) == pytest.approx(2 / 6)


def test_a_joined_text_is_held_against_all_references() -> None:
    assert word_error_ratio({JOINED: "Mister Brown's colour, 23 women."}, RECORDINGS) == pytest.approx(1 / 6)
