import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.transcript import Word
from stenod_server.ports import WindowResult
from stenod_server.recognition.language_choice import ChoiceRules, LanguageBallot, LanguageChoice

WORD = Word(text="so", start_samples=0, end_samples=1, confidence=1.0, language="xx")
Vote = tuple[str, float, float]  # language, certainty, seconds


def heard(language: str, confidence: float, *, is_speech: bool = True) -> WindowResult:
    return WindowResult((WORD,) if is_speech else (), language, confidence, no_speech=0.0)


def ballot(*votes: Vote, rules: ChoiceRules | None = None) -> LanguageBallot:
    made = LanguageBallot(rules or ChoiceRules())
    for language, confidence, seconds in votes:
        made.vote(heard(language, confidence), window_samples=round(seconds * SAMPLE_RATE_HZ))
    return made


def test_longer_and_surer_windows_have_more_weight() -> None:
    assert ballot(("de", 0.9, 2), ("fr", 0.9, 8), ("de", 0.9, 2)).choice == LanguageChoice("fr", 0.6, is_certain=True)
    assert ballot(("de", 0.9, 5), ("fr", 0.3, 10)).choice.language == "de"


def test_nothing_heard_is_no_choice() -> None:
    assert ballot().choice == LanguageChoice("", 0.0, is_certain=False, is_speech=False)
    silent = LanguageBallot()
    silent.vote(heard("en", 1.0, is_speech=False), window_samples=20 * SAMPLE_RATE_HZ)
    assert (silent.choice.language, silent.is_over) == ("", False)


@pytest.mark.parametrize(
    ("votes", "is_over"),
    [
        ([], False),
        ([("de", 0.9, 9.9)], False),  # too little
        ([("de", 0.9, 10)], True),  # of one mind
        ([("de", 0.3, 20)], False),  # of one mind and not sure
        ([("de", 0.9, 10), ("fr", 0.9, 2)], False),
        ([("de", 0.9, 40), ("fr", 0.9, 5)], True),  # what is left cannot change it
        ([("de", 0.1, 30), ("fr", 0.1, 30)], True),  # enough was heard
    ],
)
def test_it_is_listened_until_it_is_clear_or_enough(votes: list[Vote], is_over: bool) -> None:  # noqa: FBT001
    assert ballot(*votes).is_over is is_over


def test_music_is_not_listened_to_for_ever() -> None:
    silent = LanguageBallot(ChoiceRules(most_windows=3))
    for seen in range(3):
        assert silent.is_over is False, seen
        silent.vote(heard("en", 1.0, is_speech=False), window_samples=SAMPLE_RATE_HZ)
    assert silent.is_over


def test_only_expected_languages_are_chosen_in_their_own_spelling() -> None:
    rules = ChoiceRules(expected=("pt-BR", "de"))
    assert ballot(("en", 1.0, 30), ("pt", 0.8, 10), rules=rules).choice == LanguageChoice(
        "pt-BR", 0.2, is_certain=False
    )
    assert ballot(("DE", 1.0, 10), rules=rules).choice.language == "de"
    assert ballot(("en", 1.0, 30), rules=rules).choice.language == ""


def test_what_was_heard_and_is_not_certain_is_in_doubt() -> None:
    assert ballot(("de", 0.9, 10)).choice.doubt == ""
    assert ballot(("de", 0.4, 10)).choice.doubt == "most like de (0.40)"
    assert ballot(("fr", 0.9, 10), rules=ChoiceRules(expected=("de",))).choice.doubt == "like none that is expected"
    assert ballot().choice.doubt == ""


VOTES = st.lists(
    st.tuples(st.sampled_from(["de", "en", "fr"]), st.floats(0.01, 1.0), st.floats(0.1, 30.0)), min_size=1, max_size=20
)


@given(VOTES)
def test_a_choice_is_one_that_was_heard_and_is_a_ratio(votes: list[Vote]) -> None:
    choice = ballot(*votes).choice
    assert choice.language in {language for language, _, _ in votes}
    assert 0.0 < choice.confidence <= 1.0


@given(VOTES)
def test_the_order_of_the_windows_decides_nothing(votes: list[Vote]) -> None:
    assert ballot(*votes).choice.confidence == pytest.approx(ballot(*sorted(votes)).choice.confidence)


@given(VOTES, st.sampled_from(["de", "en", "fr"]))
def test_a_lead_that_ends_it_cannot_be_lost_in_the_time_that_was_left(votes: list[Vote], against: str) -> None:
    made, heard_s = LanguageBallot(ChoiceRules(most_windows=1000)), 0.0
    for language, confidence, seconds in votes:
        made.vote(heard(language, confidence), window_samples=round(seconds * SAMPLE_RATE_HZ))
        heard_s += seconds
        if made.is_over:
            break
    left_s = made.rules.most_speech_s - heard_s
    is_divided = len({language for language, _, _ in votes}) > 1
    winner = made.choice.language
    if made.is_over and left_s > 0 and is_divided and len(made._weights) > 1:
        made.vote(heard(against, 1.0), window_samples=int(left_s * SAMPLE_RATE_HZ))
        assert made.choice.language == winner
