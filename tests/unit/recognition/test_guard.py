import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.domain.transcript import Word
from stenod_server.recognition.guard import Guard, GuardLimits, Oddity, Verdict, collapse_loops
from stenod_server.text.scripts import scripts_of


def _words(text: str, confidence: float = 0.9) -> list[Word]:
    return [Word(piece, n * HZ // 4, n * HZ // 4 + HZ // 5, confidence) for n, piece in enumerate(text.split())]


def _inspect(text: str, *, confidence: float = 0.9, no_speech: float = 0.0, seconds: float = 30.0) -> Verdict:
    return Guard().inspect(_words(text, confidence), no_speech=no_speech, window_samples=round(seconds * HZ))


def _text(verdict: Verdict) -> str:
    return " ".join(word.text for word in verdict.words)


def test_ordinary_speech_passes_untouched() -> None:
    text = "It was the best of times, it was the worst of times, it was the age of wisdom."
    assert _inspect(text) == Verdict(tuple(_words(text)))


def test_a_loop_is_collapsed_to_its_first_round_and_flagged() -> None:
    verdict = _inspect("So. " + "Thank you for watching. " * 8 + "Bye.")
    assert _text(verdict) == "So. Thank you for watching. Bye."
    assert verdict.oddities == (Oddity.LOOP_COLLAPSED,)


def test_the_words_of_a_loop_are_compared_without_marks_and_case() -> None:
    assert _text(_inspect("I know, i know. I KNOW i know I know I know")) == "I know,"


def test_what_people_do_repeat_is_kept() -> None:
    for text in ("no " * 11, "very very very good", "bye bye bye bye bye", "come on " * 5, "0 " * 20):
        assert _text(_inspect(text)) == text.strip()


def test_a_dozen_times_the_same_word_is_a_loop() -> None:
    assert _text(_inspect("oh " * 12)) == "oh"


def test_a_few_unlikely_words_where_the_recogniser_hears_no_speech_are_dropped() -> None:
    verdict = _inspect("Thank you.", confidence=0.2, no_speech=0.9)
    assert verdict == Verdict((), (Oddity.NO_SPEECH_DROPPED,))


def test_words_are_kept_unless_everything_speaks_against_them() -> None:
    assert _inspect("Thank you.", confidence=0.2, no_speech=0.5).words
    assert _inspect("Thank you.", confidence=0.5, no_speech=0.9).words
    assert _inspect("these are nine words and that is too many", confidence=0.2, no_speech=0.9).words


def test_repetitive_text_is_flagged_and_kept() -> None:
    text = "the cat and the hat and " * 5
    verdict = _inspect(text)
    assert _text(verdict) == text.strip()
    assert verdict.oddities == (Oddity.REPETITIVE_TEXT,)


def test_more_words_than_anybody_says_in_the_time_are_dropped() -> None:
    runaway = "If you want to know, if you want to know, if you want to know,"
    assert _inspect(runaway, seconds=0.8) == Verdict((), (Oddity.IMPLAUSIBLE_PACE,))
    assert _inspect(runaway, seconds=1.3).words
    assert _inspect("One two three four five six seven", seconds=0.5).words  # few words: their count says little


def test_a_loop_is_dropped_at_a_pace_that_other_words_are_allowed() -> None:
    assert _inspect("Did it? " * 6, seconds=1.0) == Verdict((), (Oddity.IMPLAUSIBLE_PACE,))
    assert _text(_inspect("Did it? " * 6, seconds=3.0)) == "Did it?"
    assert _inspect("He did it and she did it, then they did it", seconds=1.0).words


def test_what_was_said_besides_a_loop_stays() -> None:
    said = "there were twenty people in the room and none of them knew her name "
    verdict = _inspect(said + "no way " * 60, seconds=8.0)
    assert _text(verdict) == said + "no way"
    assert verdict.oddities == (Oddity.LOOP_COLLAPSED,)


def test_letters_of_a_script_without_blanks_are_no_fast_words() -> None:
    assert _inspect(" ".join("きょうはとてもいいてんきですねさんぽにいきましょうか"), seconds=1.5).words


@pytest.mark.parametrize(
    ("text", "languages", "kept"),
    [
        ("2-3ตวบนลาง 01/", ("en",), False),  # what Moonshine wrote of a vowel held for 20 s
        ("2-3ตวบนลาง 01/", ("en", "th"), True),
        ("2-3ตวบนลาง 01/", ("en", "xx"), True),  # a language whose script nobody told us
        ("2 - 3 01/", ("en",), True),
        ("we watched Левиафан", ("en",), True),
        ("в фильме Leviathan", ("bg", "en"), True),
    ],
)
def test_a_window_in_letters_that_the_recogniser_has_no_language_for_is_dropped(
    text: str, languages: tuple[str, ...], *, kept: bool
) -> None:
    guard = Guard(GuardLimits(scripts=scripts_of(languages)))
    verdict = guard.inspect(_words(text), no_speech=0.0, window_samples=30 * HZ)
    assert bool(verdict.words) == kept
    assert verdict.oddities == (() if kept else (Oddity.FOREIGN_SCRIPT,))


def test_window_after_window_with_the_same_text_is_flagged() -> None:
    guard = Guard()
    verdicts = [guard.inspect(_words("Thank you."), no_speech=0.0, window_samples=HZ) for _ in range(5)]
    assert [bool(verdict.oddities) for verdict in verdicts] == [False, False, False, True, True]
    assert not guard.inspect(_words("Now then."), no_speech=0.0, window_samples=HZ).oddities


def test_silence_is_nothing_odd() -> None:
    assert _inspect("", no_speech=1.0) == Verdict(())


@given(st.lists(st.sampled_from("ab"), max_size=60), st.integers(2, 4))
def test_collapsing_keeps_order_and_invents_nothing(letters: list[str], repeats: int) -> None:
    words = _words(" ".join(letters))
    limits = GuardLimits(loop_min_repeats=repeats, loop_min_repeats_of_a_word=repeats)
    kept = collapse_loops(words, limits)
    places = [words.index(word) for word in kept]
    assert places == sorted(set(places))
    assert bool(kept) == bool(words)
