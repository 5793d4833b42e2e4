import json
from dataclasses import replace
from typing import Any

from hypothesis import given

from stenod_server.domain.transcript import Segment, Speaker
from stenod_server.text.render import TranscriptFormat, open_renderer, render
from tests.unit.text.transcripts import INFO, JOB, MONEY, make_segment, segments, word_texts


def rendered(given_segments: list[Segment]) -> dict[str, Any]:
    pieces = render(open_renderer(TranscriptFormat.JSON, JOB), given_segments)
    parsed: dict[str, Any] = json.loads("".join(pieces))
    return parsed


def test_the_object_has_the_documented_keys_and_seconds() -> None:
    result = rendered([make_segment("Hello, world.", start_s=1.0004, speaker="S1", channel="left")])

    words = result["segments"][0].pop("words")
    turn = {"start": 1.0, "end": 1.7, "speaker": "S1", "channel": "left", "confidence": 0.9}
    assert result == {
        "job_id": "job-1",
        "language": "en",
        "language_confidence": 0.98,
        "model": INFO.model,
        "duration": 12.5,
        "speech_duration": round(INFO.speech_samples / 16_000, 3),
        "window_count": INFO.windows,
        "from_cache": False,
        "channels": [],
        "text": "Hello, world.",
        "segments": [
            {**turn, "text": "Hello, world.", "language": "en", "utterance": 0, "paragraph": 0, "entities": []}
        ],
        "utterances": [{**turn, "first_segment": 0, "segment_count": 1}],
        "paragraphs": [{**turn, "first_segment": 0, "segment_count": 1}],
        "speakers": [{"label": "S1", "identifiers": []}],
        "warnings": [{"reason": "DAMAGED_MEDIA", "message": "cut"}],
    }
    assert words[1] == {
        "text": "world.",
        "start": 1.4,
        "end": 1.7,
        "confidence": 0.9,
        "language": "en",
        "speaker": "S1",
        "channel": "left",
        "volume": None,
        "tags": [],
    }


def test_of_speakers_that_are_not_known_there_is_no_entry() -> None:
    result = rendered([make_segment("Hello.", speaker="S1"), make_segment("Yes.", start_s=2.0, speaker="UU")])
    assert [speaker["label"] for speaker in result["speakers"]] == ["S1"]
    assert result["segments"][1]["speaker"] == "UU"


def test_words_have_their_volume_and_tags_and_entities_what_was_spoken() -> None:
    [segment] = rendered([MONEY])["segments"]

    assert (segment["words"][0]["volume"], segment["words"][0]["tags"]) == (41.25, ["disfluency"])
    [entity] = segment["entities"]
    spoken = entity.pop("spoken")
    assert entity == {"kind": "money", "first_word": 2, "word_count": 1, "text": "$5."}
    assert [(word["text"], word["start"]) for word in spoken] == [("five", 0.8), ("dollars.", 1.0)]


def test_turns_hold_their_segments() -> None:
    said = [make_segment("One.", speaker="S1"), make_segment("Two.", index=1, start_s=1, speaker="S1")]
    said += [make_segment("Three.", index=2, start_s=9, speaker="S1"), make_segment("Four.", index=3, start_s=10)]

    result = rendered([replace(one, words=(replace(one.words[0], confidence=0.1 * n),)) for n, one in enumerate(said)])

    turns = [(turn["first_segment"], turn["segment_count"], turn["confidence"]) for turn in result["utterances"]]
    assert turns == [(0, 2, 0.05), (2, 1, 0.2), (3, 1, 0.3)]
    assert [turn["end"] for turn in result["paragraphs"]] == [1.3, 9.3, 10.3]
    assert [(segment["utterance"], segment["paragraph"]) for segment in result["segments"]] == [
        (0, 0),
        (0, 0),
        (1, 1),
        (2, 2),
    ]


def test_speakers_have_their_identifiers_and_channels_their_labels() -> None:
    info = replace(INFO, speakers=(Speaker("S1", ("id-1",)), Speaker("S2")), channels=("a", "b"))
    pieces = render(open_renderer(TranscriptFormat.JSON, replace(JOB, info=info)), [make_segment("x", speaker="S2")])
    whole = json.loads("".join(pieces))

    assert whole["speakers"] == [{"label": "S1", "identifiers": ["id-1"]}, {"label": "S2", "identifiers": []}]
    assert whole["channels"] == ["a", "b"]


def test_silence_gives_an_object_with_empty_text() -> None:
    result = rendered([])

    assert (result["segments"], result["text"], result["speakers"]) == ([], "", [])


def test_what_is_not_known_is_null() -> None:
    segment = rendered([make_segment("Hello")])["segments"][0]

    assert segment["speaker"] is None
    assert segment["words"][0]["channel"] is None


def test_speakers_are_listed_once_in_order_of_appearance() -> None:
    said = [make_segment("a", speaker="S2"), make_segment("b", speaker="S1"), make_segment("c", speaker="S2")]

    assert [speaker["label"] for speaker in rendered(said)["speakers"]] == ["S2", "S1"]


def test_a_segment_is_written_as_soon_as_it_is_known() -> None:
    renderer = open_renderer(TranscriptFormat.JSON, JOB)

    assert '"first."' in renderer.feed(make_segment("first."))
    assert '"second."' in renderer.feed(make_segment("second.", start_s=2))


@given(segments(texts=word_texts))
def test_any_transcript_is_valid_json_that_holds_every_word_in_order(given_segments: list[Segment]) -> None:
    result = rendered(given_segments)

    expected = [word.text for segment in given_segments for word in segment.words]
    assert [word["text"] for segment in result["segments"] for word in segment["words"]] == expected
    assert result["text"] == " ".join(expected)
