import numpy as np
import pytest

from stenod_models.contract import Hotword
from stenod_models.decoding.hotwords import Match, Phrase, PhraseTrie
from stenod_models.decoding.spellings import Span, ends_word_of, phrases_of, respelled


def characters(text: str) -> list[list[int]]:
    """One token per character, the word boundary as a space."""
    return [[ord(character) for character in " " + text]]


def heard_as(hotword: Hotword) -> dict[str, str]:
    return {phrase.heard: phrase.written for phrase in reversed(phrases_of([hotword], characters))}


def test_a_name_is_heard_without_its_capital_and_written_with_it() -> None:
    assert heard_as(Hotword("Kyiv")) == {"Kyiv": "", "kyiv": "Kyiv"}


def test_a_small_word_may_begin_a_sentence() -> None:
    assert heard_as(Hotword("gnocchi")) == {"gnocchi": "", "Gnocchi": ""}


def test_what_it_sounds_like_is_written_as_it_is() -> None:
    assert heard_as(Hotword("gnocchi", sounds_like=("nyohki",))) == {
        "gnocchi": "",
        "Gnocchi": "",
        "nyohki": "gnocchi",
        "Nyohki": "Gnocchi",
    }


def test_a_spelling_that_is_a_hotword_itself_is_left_alone() -> None:
    phrases = phrases_of([Hotword("gnocchi", sounds_like=("nokey",)), Hotword("nokey")], characters)
    trie = PhraseTrie(phrases, np.ones(200, np.bool_))
    (match,) = trie.matches(characters("nokey")[0])
    assert not match.phrase.written


def test_tokens_that_end_words() -> None:
    texts = [" new", "ly", ",", "'", "", "北", "é", "5"]
    assert ends_word_of(texts).tolist() == [True, False, True, True, True, True, False, False]


def test_an_empty_hotword_is_no_phrase() -> None:
    assert phrases_of([Hotword(" ")], characters) == []


def phrase(heard: str, written: str) -> Phrase:
    return Phrase((1,), 1.0, heard, written)


def test_a_word_is_respelled_and_keeps_its_tail() -> None:
    words = [Span("the", 0, 0), Span("nyohki's,", 1, 4), Span("end", 5, 5)]
    assert respelled(words, [Match(1, 3, phrase("nyohki", "gnocchi"))]) == [
        Span("the", 0, 0),
        Span("gnocchi's,", 1, 4),
        Span("end", 5, 5),
    ]


@pytest.mark.parametrize(
    ("words", "heard", "written", "expected"),
    [
        ([Span("key", 0, 1), Span("eve.", 2, 3)], "key eve", "Kyiv", [Span("Kyiv.", 0, 3)]),
        ([Span("newyork", 0, 3)], "newyork", "New York", [Span("New", 0, 1), Span("York", 2, 3)]),
        ([Span("ab", 0, 0)], "ab", "A B", [Span("A", 0, 0), Span("B", 0, 0)]),
        ([Span("new", 0, 1), Span("york", 2, 2)], "new york", "New York", [Span("New", 0, 1), Span("York", 2, 2)]),
    ],
)
def test_words_may_become_more_or_fewer(words: list[Span], heard: str, written: str, expected: list[Span]) -> None:
    assert respelled(words, [Match(0, words[-1].last + 1, phrase(heard, written))]) == expected


def test_what_may_stay_stays() -> None:
    words = [Span("Kyiv", 0, 1)]
    assert respelled(words, [Match(0, 2, phrase("Kyiv", ""))]) == words
