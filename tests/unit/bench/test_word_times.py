import pytest

from bench.protocol import Word
from bench.word_times import compare, paired, paired_in_clip

ORACLE = [Word("It", 0.0, 0.2), Word("was,", 0.2, 0.5), Word("the", 1.5, 1.6), Word("best", 1.6, 2.0)]


def test_words_are_paired_where_both_say_the_same() -> None:
    found = [Word("it", 0.1, 0.2), Word("is", 0.2, 0.4), Word("The", 1.4, 1.6), Word("best.", 1.61, 2.0)]
    pairs = list(paired_in_clip(found, ORACLE))
    assert [pair.ours.text for pair in pairs] == ["it", "The", "best."]
    assert [pair.is_after_pause for pair in pairs] == [True, True, False]


def test_recordings_that_only_one_knows_are_left_out() -> None:
    assert paired({"other": ORACLE}, {"one": ORACLE}) == []


def test_differences_are_absolute_and_the_bias_is_signed() -> None:
    found = [Word(word.text, word.start_s - 0.1, word.end_s + 0.2) for word in ORACLE]
    comparison = compare(list(paired_in_clip(found, ORACLE)))
    assert comparison.start_median_s == pytest.approx(0.1)
    assert comparison.start_bias_s == pytest.approx(-0.1)
    assert comparison.end_p90_s == pytest.approx(0.2)


def test_nothing_paired_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing to compare"):
        compare([])
