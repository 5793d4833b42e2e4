import json
from typing import Any

from hypothesis import given

from stenod_server.domain.transcript import Segment
from stenod_server.text.render import TranscriptFormat, open_renderer, render
from tests.unit.text.transcripts import JOB, make_segment, segments, word_texts


def rendered(given_segments: list[Segment]) -> dict[str, Any]:
    pieces = render(open_renderer(TranscriptFormat.JSON, JOB), given_segments)
    parsed: dict[str, Any] = json.loads("".join(pieces))
    return parsed


def test_the_object_has_the_documented_keys_and_seconds() -> None:
    result = rendered([make_segment("Hello, world.", start_s=1.0004, speaker="S1", channel="left")])

    words = result["segments"][0].pop("words")
    assert result == {
        "job_id": "job-1",
        "language": "en",
        "language_confidence": 0.98,
        "duration": 12.5,
        "text": "Hello, world.",
        "segments": [
            {
                "start": 1.0,
                "end": 1.7,
                "text": "Hello, world.",
                "speaker": "S1",
                "channel": "left",
                "language": "en",
            }
        ],
        "speakers": [{"label": "S1"}],
        "warnings": [{"reason": "DAMAGED_MEDIA", "message": "cut"}],
    }
    assert words[1] == {
        "text": "world.",
        "start": 1.4,
        "end": 1.7,
        "confidence": 0.9,
        "speaker": "S1",
        "channel": "left",
    }


def test_silence_gives_an_object_with_empty_text() -> None:
    result = rendered([])

    assert (result["segments"], result["text"], result["speakers"]) == ([], "", [])


def test_what_is_not_known_is_null() -> None:
    segment = rendered([make_segment("Hello")])["segments"][0]

    assert segment["speaker"] is None
    assert segment["words"][0]["channel"] is None


def test_speakers_are_listed_once_in_order_of_appearance() -> None:
    said = [make_segment("a", speaker="S2"), make_segment("b", speaker="S1"), make_segment("c", speaker="S2")]

    assert rendered(said)["speakers"] == [{"label": "S2"}, {"label": "S1"}]


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
