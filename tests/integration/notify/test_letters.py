"""What a receiver gets: the bodies of contracts that clients of other systems know, and the signature."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from stenod_server.domain.job import Failure
from stenod_server.domain.notification import Content, Method
from stenod_server.domain.rendering import SubtitleShape
from tests.integration.notify.rig import RECORDING, Rig, telling
from tests.support.receiver import Call, Receiver
from tests.support.renderings import read_srt

TXT = b"so it goes and goes and ends\n"
REFUSED = Failure("MEDIA_NOT_FOUND", "it is not there")
EMPTY = Failure("NO_AUDIO", "nothing was left")


async def test_one_textual_content_is_the_body(rig: Rig, receiver: Receiver) -> None:
    for content, content_type, begin in (
        (Content.TXT, "text/plain; charset=utf-8", TXT),
        (Content.SRT, "text/plain; charset=utf-8", b"1\n00:00:00,000 -->"),
        (Content.VTT, "text/plain; charset=utf-8", b"WEBVTT"),
        (Content.JSON, "application/json", b"{"),
        (Content.TRANSCRIPT, "application/json", b"{"),
        (Content.JOBINFO, "application/json", b"{"),
    ):
        call = await _told(rig, receiver, content, method=Method.PUT)
        assert (call.method, call.headers["content-type"]) == ("PUT", content_type)
        assert call.body.startswith(begin), content


async def test_several_contents_and_the_recording_are_a_form(rig: Rig, receiver: Receiver) -> None:
    call = await _told(rig, receiver, Content.JOBINFO, Content.JSON_V2, Content.TXT, Content.DATA)
    assert call.headers["content-type"].startswith("multipart/form-data; boundary=")
    parts = call.parts()
    assert [(name, kind) for name, (_, kind, _) in parts.items()] == [
        ("jobinfo", "application/json"),
        ("transcript.json-v2", "application/json"),
        ("transcript.txt", "text/plain"),
        ("data", "application/octet-stream"),
    ]
    assert parts["transcript.txt"][2] == TXT
    assert parts["data"] == ("speech.wav", "application/octet-stream", RECORDING)
    assert json.loads(parts["transcript.json-v2"][2])["format"].startswith("2.")
    assert json.loads(parts["jobinfo"][2])["state"] == "JOB_STATE_SUCCEEDED"


async def test_the_recording_alone_is_a_form_too(rig: Rig, receiver: Receiver) -> None:
    call = await _told(rig, receiver, Content.DATA)
    assert {name: content for name, (_, _, content) in call.parts().items()} == {"data": RECORDING}


async def test_speechmatics_clients_get_the_transcript_attached_where_they_ask_for_nothing(
    rig: Rig, receiver: Receiver
) -> None:
    call = await _told(rig, receiver, dialect="speechmatics")
    assert call.headers["user-agent"] == "Speechmatics-API/2.0"
    ((name, (_, kind, content)),) = call.parts().items()
    assert (name, kind) == ("data_file", "application/json")
    assert json.loads(content)["format"].startswith("2.")


async def test_jobs_of_speechmatics_clients_are_shown_as_they_know_them(rig: Rig, receiver: Receiver) -> None:
    call = await _told(rig, receiver, Content.JOBINFO, dialect="speechmatics")
    assert json.loads(call.body)["status"] == "done"


async def test_transcripts_are_as_the_configuration_of_their_dialect_says(rig: Rig, receiver: Receiver) -> None:
    said = {
        "transcription_config": {"language": "en", "operating_point": "enhanced"},
        "translation_config": {"target_languages": ["fr"]},
    }
    asked: Any = {"dialect": "speechmatics", "said": json.dumps(said)}
    metadata = json.loads((await _told(rig, receiver, Content.JSON_V2, **asked)).body)["metadata"]
    assert metadata["transcription_config"] == said["transcription_config"]
    assert "translation_errors" in metadata


@pytest.mark.parametrize("dialect", ["", "speechmatics"])
async def test_subtitles_have_the_shape_of_their_job(rig: Rig, receiver: Receiver, dialect: str) -> None:
    shape = SubtitleShape(max_line_length=10)
    call = await _told(rig, receiver, Content.SRT, dialect=dialect, subtitles=shape)
    assert read_srt(call.body.decode())[0].lines == ("so it goes", "and goes")


async def test_a_failed_job_is_told_with_its_error_and_without_a_transcript(rig: Rig, receiver: Receiver) -> None:
    call = await _told(rig, receiver, Content.JOBINFO, Content.TXT, failure=REFUSED)
    assert call.query["status"] == "fetch_error"
    ((name, (_, _, content)),) = call.parts().items()
    assert (name, json.loads(content)["error"]["message"]) == ("jobinfo", "it is not there")
    trimmed = await _told(rig, receiver, Content.TXT, failure=EMPTY, start_s=5.0)
    assert (trimmed.query["status"], trimmed.body) == ("trim_error", b"")
    assert (await _told(rig, receiver, failure=EMPTY)).query["status"] == "error"


async def test_a_signature_is_that_of_the_standard_for_every_secret(rig: Rig, receiver: Receiver) -> None:
    old, new = b"o" * 24, b"n" * 32
    for contents in ((Content.TXT,), (Content.JOBINFO, Content.DATA)):
        call = await _told(rig, receiver, *contents, secrets=(old, new))
        signed = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.body
        expected = [
            "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
            for secret in (old, new)
        ]
        assert call.headers["webhook-signature"].split(" ") == expected


async def _told(
    rig: Rig,
    receiver: Receiver,
    *contents: Content,
    method: Method = Method.POST,
    secrets: tuple[bytes, ...] = (),
    **how: object,
) -> Call:
    job = await rig.ended(telling(receiver.url(), *contents, method=method), **how)  # type: ignore[arg-type]
    async with rig.notifying(secrets=secrets):
        await rig.settled(job)
    return receiver.calls[-1]
