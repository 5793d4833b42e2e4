"""Utterances and paragraphs."""

from dataclasses import replace

import pytest
from hypothesis import given

from stenod_server.domain.transcript import Segment
from stenod_server.text.punctuation import ends_sentence
from stenod_server.text.turns import Turns, mean_confidence, said_by
from tests.unit.text.transcripts import make_segment, make_word, segments

SENTENCE = f"{'word ' * 19}end."  # of 20 words, 7.9 s long


def placed(*given_segments: Segment) -> list[tuple[int, int]]:
    turns = Turns()
    return [(turn.utterance, turn.paragraph) for turn in map(turns.place, given_segments)]


def monologue(count: int, *, pause_s: float, text: str = SENTENCE) -> list[Segment]:
    return [make_segment(text, index=n, start_s=n * (7.9 + pause_s)) for n in range(count)]


def test_who_speaks_next_begins_an_utterance() -> None:
    turns = [make_segment("Yes.", start_s=n, speaker=speaker) for n, speaker in enumerate(["S1", "S1", "S2", "S1"])]
    assert placed(*turns) == [(0, 0), (0, 0), (1, 1), (2, 2)]
    channels = [make_segment("Yes.", start_s=n, channel=channel) for n, channel in enumerate(["a", "b", "b"])]
    assert placed(*channels) == [(0, 0), (1, 1), (1, 1)]


@pytest.mark.parametrize(("text", "pause_s", "utterance"), [("on", 4.9, 0), ("on", 5.1, 1), ("On.", 2.1, 1)])
def test_a_long_pause_ends_an_utterance_and_a_sentence_bears_a_longer_one(
    text: str, pause_s: float, utterance: int
) -> None:
    assert placed(make_segment(text), make_segment("Go.", start_s=0.3 + pause_s))[1] == (utterance, utterance)


@pytest.mark.parametrize(("text", "following", "utterance"), [("No.", "It is.", 1), ("No.", "5 is.", 0)])
def test_the_answer_no_ends_a_sentence_where_no_number_follows(text: str, following: str, utterance: int) -> None:
    assert placed(make_segment(text), make_segment(following, start_s=2.4))[1] == (utterance, utterance)


def test_a_pause_counts_from_the_end_of_whoever_spoke_longest() -> None:
    long = make_segment("word " * 30)
    assert placed(long, make_segment("aside.", start_s=1.0), make_segment("Go on.", start_s=13.0))[2] == (0, 0)


def test_a_paragraph_ends_with_a_sentence_once_it_is_long_and_sooner_at_a_pause() -> None:
    assert [paragraph for _, paragraph in placed(*monologue(7, pause_s=0.1))] == [0, 0, 0, 0, 0, 1, 1]
    assert [paragraph for _, paragraph in placed(*monologue(7, pause_s=0.8))] == [0, 0, 1, 1, 2, 2, 3]
    unfinished = monologue(9, pause_s=0.8, text="word " * 20)
    assert placed(*unfinished) == [(0, 0)] * 9


@given(segments())
def test_numbers_go_up_one_by_one_and_no_sentence_is_cut_within_an_utterance(given_segments: list[Segment]) -> None:
    turns = placed(*given_segments)
    steps = list(zip(given_segments, given_segments[1:], turns, turns[1:], strict=False))
    for before, after, (utterance, paragraph), (next_utterance, next_paragraph) in steps:
        assert next_utterance - utterance in {0, 1}
        assert next_paragraph - paragraph in {0, 1}
        if next_utterance > utterance:
            assert next_paragraph > paragraph
        elif next_paragraph > paragraph:
            assert ends_sentence(before.words[-1].text, after.words[0].text)
        if said_by(before) != said_by(after):
            assert next_utterance > utterance


def test_long_words_count_for_more() -> None:
    words = [replace(make_word("a", 0.0, 0.1), confidence=0.4), replace(make_word("b", 0.1, 0.4), confidence=0.8)]
    assert mean_confidence(words) == pytest.approx(0.7)
    assert mean_confidence([replace(make_word("a", 1.0, 1.0), confidence=0.4)]) == pytest.approx(0.4)
    assert mean_confidence([]) == 0.0
