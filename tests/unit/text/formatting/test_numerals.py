import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stenod_server.domain.formatting import Formatting
from stenod_server.domain.transcript import Segment, Word
from stenod_server.text.formatting import Formatter
from stenod_server.text.formatting.english.vocabulary import MONTHS, NUMBER_WORDS, ORDINAL_UNITS
from tests.support.formatting_cases import SOUND_SAMPLES, WORD_SAMPLES, Case, cases, spoken, with_numerals
from tests.support.spelled_numbers import spelled


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.kind}: {case.spoken}")
def test_a_case_of_the_table_is_written_as_it_says_and_stays_so(case: Case) -> None:
    written = with_numerals(case.spoken, case.language)
    assert written == case.written
    assert with_numerals(written, case.language) == written


def test_without_numerals_words_stay_as_they_were_said() -> None:
    segment = spoken(["twenty", "five", "dollars", "at", "three", "thirty", "p", "m"])
    assert Formatter(Formatting(), "en").format(segment) == segment


def test_an_entity_keeps_the_words_that_were_said_with_their_times() -> None:
    segment = spoken(["It", "cost", "twenty", "dollars", "and", "fifty", "cents."])
    formatted = Formatter(Formatting(numerals=True, entities=True), "en").format(segment)
    assert formatted is not None
    (entity,) = formatted.entities
    assert (entity.kind, entity.first_word, entity.word_count) == ("money", 2, 1)
    assert entity.spoken == segment.words[2:]
    price = formatted.words[2]
    assert price.text == "$20.50."
    assert (price.start_samples, price.end_samples) == (2 * WORD_SAMPLES, 6 * WORD_SAMPLES + SOUND_SAMPLES)


def test_entities_that_are_not_asked_for_are_not_told() -> None:
    formatted = Formatter(Formatting(numerals=True), "en").format(spoken(["twenty", "five"]))
    assert formatted is not None
    assert formatted.entities == ()
    assert formatted.text == "25"


def test_the_confidence_of_a_merged_word_is_the_mean_weighed_by_length() -> None:
    words = (Word("twenty", 0, 3000, 1.0, volume=80.0), Word("five", 3000, 4000, 0.2, volume=40.0))
    formatted = Formatter(Formatting(numerals=True), "en").format(Segment(0, words, "en"))
    assert formatted is not None
    assert formatted.words[0].confidence == pytest.approx(0.8)
    assert formatted.words[0].volume == pytest.approx(70.0)


def test_each_written_word_has_the_time_of_what_it_stands_for() -> None:
    formatted = Formatter(Formatting(numerals=True), "en").format(spoken(["five", "to", "twenty", "five", "people"]))
    assert formatted is not None
    starts = [(word.text, word.start_samples // WORD_SAMPLES) for word in formatted.words]
    assert starts == [("5", 0), ("to", 1), ("25", 2), ("people", 4)]


def test_the_language_of_the_segment_decides_where_the_jobs_is_not_known() -> None:
    formatter = Formatter(Formatting(numerals=True), "auto")
    texts = [formatter.format(spoken(["vingt"], "fr")), formatter.format(spoken(["twenty"], "en"))]
    assert [segment and segment.text for segment in texts] == ["20", "20"]
    assert formatter.format(spoken(["vingt"], "en")) == spoken(["vingt"], "en")


_numberish = sorted(NUMBER_WORDS | ORDINAL_UNITS.keys() | MONTHS | {"oh", "and", "a", "point", "half", "p", "m", "of"})
_counted = ["dollars", "percent", "cents", "o'clock", "to", "the", "at", "in", "degrees", "people", "Twenty-five", "20"]
_word = st.builds(
    lambda lead, text, trail: lead + text + trail,
    st.sampled_from(["", "", "", '"', "("]),
    st.sampled_from([*_numberish, *_counted, "twenty-year-old", "N.", "p.m.", "cat", "—", "3.5"]),
    st.sampled_from(["", "", "", ",", ".", "?", '."']),
)


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(_word, min_size=1, max_size=14), language=st.sampled_from(["en", "en-GB", "en-US", "de", "fr"]))
def test_whatever_is_said_every_word_is_written_or_spoken_and_no_time_leaves_the_segment(
    texts: list[str], language: str
) -> None:
    segment = spoken(texts, language)
    formatted = Formatter(Formatting(numerals=True, entities=True), language).format(segment)
    assert formatted is not None
    said, at = [], 0
    for entity in formatted.entities:
        assert entity.first_word >= at
        said += [*formatted.words[at : entity.first_word], *entity.spoken]
        at = entity.first_word + entity.word_count
    assert (*said, *formatted.words[at:]) == segment.words
    assert all(a.start_samples <= b.start_samples for a, b in pairwise(formatted.words))
    assert all(word.start_samples <= word.end_samples <= segment.end_samples for word in formatted.words)


@settings(max_examples=150, deadline=None)
@given(
    number=st.one_of(st.integers(10, 2100), st.integers(10, 10**6), st.integers(10, 10**12 - 1)),
    joint=st.sampled_from(["and", ""]),
    hyphen=st.sampled_from([" ", "-"]),
)
def test_every_number_is_the_one_that_was_said(number: int, joint: str, hyphen: str) -> None:
    said = spelled(number, joint=joint, hyphen=hyphen)
    assert _value(with_numerals(f"they counted {said} sheep.")) == ("they counted", number, "sheep.")
    assert _value(with_numerals(f"it costs {said} dollars.").replace("$", "")) == ("it costs", number, ".")


def _value(text: str) -> tuple[str, int, str]:
    found = re.fullmatch(r"(\D*?) ([\d,]+)(?: (million|billion))?( ?)(\D*)", text)
    assert found is not None, text
    before, digits, scale, _, behind = found.groups()
    return before, int(digits.replace(",", "")) * {None: 1, "million": 10**6, "billion": 10**9}[scale], behind


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(st.from_regex(r"[b-hj-z][a-z]{2,}[,.?]?", fullmatch=True), min_size=1, max_size=12))
def test_text_without_numbers_stays(texts: list[str]) -> None:
    segment = spoken([text for text in texts if text.strip(",.?") not in _numberish] or ["cat"])
    assert Formatter(Formatting(numerals=True), "en").format(segment) == segment
