"""Every word gets the speaker who says it; none is lost, doubled or moved."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.diarization import UNKNOWN_SPEAKER
from stenod_server.domain.transcript import Entity, Segment, Word
from stenod_server.speakers.turns import SpeakerTurns, SpeakerVoice, Turn
from stenod_server.speakers.word_labels import labelled

WORD_S = 0.4


def turns_of(*turns: tuple[float, float, int]) -> SpeakerTurns:
    """Turns of (start in seconds, end in seconds, speaker)."""
    count = max((speaker for _start, _end, speaker in turns), default=-1) + 1
    speakers = tuple(SpeakerVoice(f"S{place + 1}", np.zeros(2, np.float32), 0) for place in range(count))
    rows = sorted(Turn(_samples(start_s), _samples(end_s), speaker) for start_s, end_s, speaker in turns)
    return SpeakerTurns(speakers, rows)


def draft(text: str, start_s: float = 0.0, *entities: Entity, step_s: float = 0.5) -> Segment:
    """A word each `step_s`, each of WORD_S."""
    words = [
        Word(word, _samples(start_s + step_s * place), _samples(start_s + step_s * place + WORD_S), 1.0)
        for place, word in enumerate(text.split())
    ]
    return Segment(0, tuple(words), language="en", final=False, entities=entities)


def told(drafts: Sequence[Segment], turns: SpeakerTurns, *, prefer_current: bool = False) -> list[tuple[str, str]]:
    """(speaker, text) of each segment."""
    return [(segment.speaker, segment.text) for segment in labelled(drafts, turns, prefer_current=prefer_current)]


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)


def test_a_segment_ends_where_the_speaker_changes() -> None:
    turns = turns_of((0, 1, 0), (1, 3, 1))
    assert told([draft("one two three four")], turns) == [("S1", "one two"), ("S2", "three four")]


def test_segments_are_final_numbered_and_of_their_drafts_language() -> None:
    found = list(labelled([draft("a b"), draft("c d", 1.0)], turns_of((0, 0.5, 0), (0.5, 9, 1)), prefer_current=False))
    assert [segment.index for segment in found] == [0, 1, 2]
    assert all(segment.final and segment.language == "en" for segment in found)
    assert all(word.speaker == segment.speaker for segment in found for word in segment.words)


def test_a_word_is_of_the_speaker_who_talks_for_most_of_it() -> None:
    assert told([draft("word")], turns_of((0, 0.15, 0), (0.15, 1, 1))) == [("S2", "word")]


def test_a_word_where_nobody_speaks_is_of_the_nearest_turn() -> None:
    assert told([draft("word", 5.0)], turns_of((0, 4.5, 0), (5.6, 8, 1))) == [("S2", "word")]


def test_a_word_far_from_every_turn_is_of_nobody() -> None:
    assert told([draft("word", 5.0)], turns_of((0, 3.9, 0), (6.5, 8, 0))) == [(UNKNOWN_SPEAKER, "word")]
    assert told([draft("word")], SpeakerTurns()) == [(UNKNOWN_SPEAKER, "word")]


def test_where_two_talk_at_once_the_one_who_has_the_word_keeps_it() -> None:
    turns = turns_of((0, 0.5, 1), (1.9, 9, 0), (1.9, 9, 1))
    assert told([draft("one two three", step_s=2.0)], turns) == [("S2", "one two three")]


def test_a_lone_word_between_two_of_another_speaker_is_smoothed() -> None:
    turns = turns_of((0, 0.5, 0), (0.5, 1, 1), (1, 3, 0))
    assert told([draft("one two three")], turns) == [("S1", "one two three")]


def test_a_lone_word_with_a_pause_before_it_is_not_smoothed() -> None:
    turns = turns_of((0, 1, 0), (1, 2, 1), (2, 4, 0))
    assert told([draft("one two three", step_s=1.0)], turns) == [("S1", "one"), ("S2", "two"), ("S1", "three")]


def test_a_lone_word_is_smoothed_across_drafts() -> None:
    turns = turns_of((0, 0.5, 0), (0.5, 1, 1), (1, 3, 0))
    drafts = [draft("one"), draft("two", 0.5), draft("three", 1.0)]
    assert told(drafts, turns) == [("S1", "one"), ("S1", "two"), ("S1", "three")]


def test_a_lone_word_between_words_of_nobody_keeps_its_speaker() -> None:
    times = {"far": (0.5, 0.9), "told": (1.5, 2.9), "away": (3.2, 3.6)}
    words = tuple(Word(text, _samples(start_s), _samples(end_s), 1.0) for text, (start_s, end_s) in times.items())
    found = told([Segment(0, words)], turns_of((2.0, 2.1, 0)), prefer_current=True)
    assert found == [(UNKNOWN_SPEAKER, "far"), ("S1", "told"), (UNKNOWN_SPEAKER, "away")]


def test_the_current_speaker_is_preferred_for_a_few_words() -> None:
    turns = turns_of((0, 1, 0), (1, 2.5, 1), (2.5, 9, 0))
    drafts = [draft("one two three four five six")]
    assert told(drafts, turns) == [("S1", "one two"), ("S2", "three four five"), ("S1", "six")]
    assert told(drafts, turns, prefer_current=True) == [("S1", "one two three four five six")]


def test_an_entity_has_one_speaker_and_moves_with_its_words() -> None:
    spoken = draft("ten dollars", 1.0).words
    entity = Entity("money", first_word=2, word_count=2, spoken=spoken)
    segment = draft("it costs $ 10 today", 0.0, entity)
    found = list(labelled([segment], turns_of((0, 0.9, 0), (0.95, 1.7, 1), (1.7, 3, 0)), prefer_current=False))
    assert [(one.speaker, one.text) for one in found] == [("S1", "it costs"), ("S2", "$ 10"), ("S1", "today")]
    assert [(one.first_word, one.word_count) for one in found[1].entities] == [(0, 2)]
    assert {word.speaker for word in found[1].entities[0].spoken} == {"S2"}
    assert found[0].entities == found[2].entities == ()


@st.composite
def _transcripts(draw: st.DrawFn) -> list[Segment]:
    drafts, now = [], 0
    for number in range(draw(st.integers(0, 5))):
        words = []
        for place in range(draw(st.integers(1, 6))):
            now += draw(st.integers(0, 40_000))
            words.append(Word(f"{number}.{place}", now, now + draw(st.integers(0, 20_000)), 1.0))
        entities, free = [], 0
        while free < len(words) and draw(st.booleans()):
            first = draw(st.integers(free, len(words) - 1))
            count = draw(st.integers(1, len(words) - first))
            entities.append(Entity("number", first, count, tuple(words[first : first + count])))
            free = first + count
        drafts.append(Segment(number, tuple(words), final=False, entities=tuple(entities)))
    return drafts


_TURNS = st.lists(
    st.tuples(st.floats(0, 40), st.floats(0.01, 5), st.integers(0, 3)).map(
        lambda one: (one[0], one[0] + one[1], one[2])
    ),
    max_size=12,
)


@given(drafts=_transcripts(), turns=_TURNS, prefer_current=st.booleans())
def test_no_word_is_lost_doubled_or_moved(
    drafts: list[Segment], turns: list[tuple[float, float, int]], *, prefer_current: bool
) -> None:
    found = list(labelled(drafts, turns_of(*turns), prefer_current=prefer_current))
    before = [(word.text, word.start_samples, word.end_samples) for one in drafts for word in one.words]
    assert [(word.text, word.start_samples, word.end_samples) for one in found for word in one.words] == before
    assert [one.index for one in found] == list(range(len(found)))
    written = [[word.text for word in one.spoken] for draft in drafts for one in draft.entities]
    assert [
        [word.text for word in one.words[entity.first_word : entity.first_word + entity.word_count]]
        for one in found
        for entity in one.entities
    ] == written
