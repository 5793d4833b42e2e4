"""The words of the dialect."""

import json
import uuid

import pytest

from stenod_server import errors
from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.diarization import Diarization, DiarizationMode
from stenod_server.domain.transcript import Segment, Word
from stenod_server.errors import StenodError
from stenod_server.rest.assemblyai.answers import AssemblyAiDialect, failure, transcript, uid_of
from tests.support.builders import make_config, make_info, make_job

JOB_ID = "d2834b75ccba496f80c79d7546731d15"


def said(*words: str) -> list[Segment]:
    half_s = SAMPLE_RATE_HZ // 2
    return [Segment(0, tuple(Word(w, i * half_s, i * half_s + 7001, 0.98765) for i, w in enumerate(words)))]


def test_a_transcript_has_their_fields_and_units() -> None:
    job = make_job(job_id=JOB_ID, info=make_info(duration_samples=12 * SAMPLE_RATE_HZ + 4000))
    assert transcript(job, said("You", "know,")) == {
        "blob": "You know,",
        "duration": 12.25,
        "stereo_decode": False,
        "uid": "t_d2834b75-ccba-496f-80c7-9d7546731d15",
        "utterances": None,
        "words": [
            {"confidence": 0.9877, "end": 438, "start": 0, "text": "You"},
            {"confidence": 0.9877, "end": 938, "start": 500, "text": "know,"},
        ],
    }


def test_channels_take_turns() -> None:
    def on(channel: str, start_s: float, *texts: str) -> Segment:
        start = int(start_s * SAMPLE_RATE_HZ)
        words = [Word(w, start + i * 8000, start + i * 8000 + 4000, 0.5, channel=channel) for i, w in enumerate(texts)]
        return Segment(0, tuple(words), channel=channel)

    asked = make_config(diarization=Diarization(mode=DiarizationMode.CHANNEL))
    job = make_job(job_id=JOB_ID, config=asked, info=make_info())
    answer = transcript(job, [on("1", 0, "Hello", "there."), on("2", 0.25, "Yes?"), on("2", 1.5, "Who?")])
    assert answer["stereo_decode"] is True
    assert answer["blob"] == "Hello there. Yes? Who?"
    assert [(word["channel"], word["text"]) for word in answer["words"]] == [
        ("1", "Hello"),
        ("2", "Yes?"),
        ("1", "there."),
        ("2", "Who?"),
    ]
    first, second = answer["utterances"]
    assert first == {
        "channel": "1",
        "confidence": 0.5,
        "start": 0,
        "end": 750,
        "text": "Hello there.",
        "words": [
            {"channel": "1", "confidence": 0.5, "start": 0, "end": 250, "text": "Hello"},
            {"channel": "1", "confidence": 0.5, "start": 500, "end": 750, "text": "there."},
        ],
    }
    assert (second["channel"], second["start"], second["end"], second["text"]) == ("2", 250, 1750, "Yes? Who?")


def test_silence_is_an_empty_text() -> None:
    empty = transcript(make_job(job_id=JOB_ID, info=make_info()), [])
    assert (empty["blob"], empty["words"]) == ("", [])


def test_the_uid_leads_to_the_job() -> None:
    assert uuid.UUID(uid_of(JOB_ID).removeprefix("t_")).hex == JOB_ID


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidField("audio_url", "is missing"), 400),
        (errors.LimitExceeded("body", limit="max_body_bytes", allowed=1), 400),
        (errors.UnsupportedFeature("dual_channel"), 400),
        (errors.FetchRefused("media.uri", "is private", setting="fetch_allow"), 400),
        (errors.ModelNotFound("for language xx"), 400),
        (errors.Unauthenticated("who?"), 401),
        (errors.PermissionDenied("Transcribe", "submit"), 403),
        (errors.EnginesExhausted(requested=1, in_use=4, maximum=4), 423),
        (errors.QuotaExceeded("max_queued_jobs", allowed=1, retry_after_s=3), 429),
        (errors.Unforeseen("abc"), 500),
        (errors.QueueFull(10), 503),
        (errors.EngineUnavailable("away"), 503),
        (errors.Draining("going"), 503),
    ],
)
def test_a_refusal_has_their_shape_and_a_fitting_status(error: StenodError, status: int) -> None:
    answer = AssemblyAiDialect().refusal(error)
    body = json.loads(bytes(answer.body))
    assert (answer.status_code, body["code"], list(body)) == (status, 1, ["code", "description", "uid"])
    assert uuid.UUID(body["uid"].removeprefix("t_")).version == 4
    assert ("retry-after" in answer.headers) == isinstance(error, errors.Unavailable)


def test_a_refused_address_is_called_as_the_caller_knows_it_and_says_what_would_allow_it() -> None:
    refused = errors.FetchRefused("media.uri", "cdn is a private address", setting="fetch_allow")
    description = json.loads(bytes(AssemblyAiDialect().refusal(refused).body))["description"]
    assert description.startswith("audio_url: ")
    assert "--fetch-allow" in description


@pytest.mark.parametrize(
    ("error", "status", "description"),
    [
        (errors.Unavailable("no answer", reason="FETCH_FAILED"), 400, "Download error to https://a/b, no answer"),
        (errors.InvalidRequest("gone", reason="MEDIA_NOT_FOUND"), 400, "Download error to https://a/b, gone"),
        (errors.InvalidRequest("no audio", reason="NO_AUDIO"), 400, "no audio"),
        (errors.Unavailable("Triton is away", reason="ENGINE_UNAVAILABLE"), 503, "Triton is away"),
        (errors.Broken("odd", reason="INTERNAL"), 500, "odd"),
    ],
)
def test_a_failed_job_says_why_with_its_uid(error: StenodError, status: int, description: str) -> None:
    answer = failure(error, JOB_ID, "https://a/b")
    assert answer.status_code == status
    assert json.loads(bytes(answer.body)) == {"code": 1, "description": description, "uid": uid_of(JOB_ID)}
