import re
from itertools import pairwise

import pytest

from stenod_models.decoding.spellings import Span
from stenod_models.families.whisper.spelling import text_of, words_of
from stenod_models.families.whisper.vocabulary import Vocabulary
from tests.support.whisper_checkpoints import tokens

LISTED = tokens()
VOCABULARY = Vocabulary(LISTED, multilingual=True)


def spelled(text: str, language: str = "en") -> list[str]:
    return [word.text for word in words_of(VOCABULARY, VOCABULARY.encode(text), language)]


def test_a_prompt_names_language_and_task() -> None:
    prompt = VOCABULARY.prompt("de", "translate")
    assert [LISTED[token] for token in prompt] == [
        "<|startoftranscript|>",
        "<|de|>",
        "<|translate|>",
        "<|notimestamps|>",
    ]


def test_an_english_only_model_is_asked_for_nothing() -> None:
    vocabulary = Vocabulary(LISTED, multilingual=False)
    assert [LISTED[token] for token in vocabulary.prompt("en", "transcribe")] == [
        "<|startoftranscript|>",
        "<|notimestamps|>",
    ]
    assert not vocabulary.languages
    assert vocabulary.language_of("en-GB") == "en"
    assert vocabulary.language_of("de") is None


def test_earlier_text_stands_before_the_start() -> None:
    prompt = VOCABULARY.prompt("en", "transcribe", VOCABULARY.encode("the"))
    assert [LISTED[token] for token in prompt[:3]] == ["<|startofprev|>", "Ġthe", "<|startoftranscript|>"]


@pytest.mark.parametrize(
    ("name", "code"),
    [("en", "en"), ("EN_us", "en"), ("de-AT", "de"), ("jv", "jv"), ("jw", "jv"), ("cmn-Hans", "zh"), ("tlh", None)],
)
def test_languages_go_by_their_bcp_47_names(name: str, code: str | None) -> None:
    assert VOCABULARY.language_of(name) == code


def test_only_text_and_the_end_may_be_chosen() -> None:
    never = VOCABULARY.never_chosen(len(LISTED), [5])
    allowed = {token for token, barred in enumerate(never) if not barred}
    assert allowed == set(range(VOCABULARY.end + 1)) - {5}


def test_a_missing_special_token_is_named() -> None:
    with pytest.raises(ValueError, match=re.escape("<|notimestamps|>")):
        Vocabulary([token for token in LISTED if token != "<|notimestamps|>"], multilingual=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the lobster, and the rest.", ["the", "lobster,", "and", "the", "rest."]),
        ('he said "no" twice', ["he", "said", '"no"', "twice"]),
        ("well-known don't 10,000", ["well-known", "don't", "10,000"]),
        ("¿ quien ?", ["¿quien?"]),
        ("Ärger über alles", ["Ärger", "über", "alles"]),
        ("", []),
    ],
)
def test_words_are_told_apart_by_blanks(text: str, words: list[str]) -> None:
    assert spelled(text) == words


def test_languages_without_blanks_fall_into_characters() -> None:
    assert spelled("你好、世界。", "zh") == ["你", "好、", "世", "界。"]


def test_spans_cover_the_tokens_in_order() -> None:
    sequence = VOCABULARY.encode("and the lobster.")
    words = words_of(VOCABULARY, sequence, "en")
    assert words[0] == Span("and", 0, 0)
    assert words[-1].last == len(sequence) - 1
    assert all(one.last + 1 == other.first for one, other in pairwise(words))
    assert text_of(VOCABULARY, sequence) == " and the lobster."


def test_bytes_that_are_no_text_are_marked() -> None:
    assert text_of(VOCABULARY, [LISTED.index("Ã")]) == "\ufffd"
    assert text_of(VOCABULARY, VOCABULARY.encode("ä")) == " ä"
