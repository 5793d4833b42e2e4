"""Several recognisers at once: who takes a job, and what every API says of one that nobody takes."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from stenod.v1 import job_pb2, media_pb2
from stenod.v1 import transcription_service_pb2 as pb
from stenod.v1.transcription_service_pb2_grpc import TranscriptionServiceStub
from stenod_server.engine.fake import FAKE_PROFILE, FakeEngine
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.http_node import HttpNode, http_node
from tests.support.speechmatics import config_with, submit

ENGLISH = replace(FAKE_PROFILE, model="english", languages=("en",))
GERMAN = replace(FAKE_PROFILE, model="german", languages=("de",))
LARGE = replace(FAKE_PROFILE, model="large", languages=("de", "en", "fr"), operating_points=("enhanced",))
THERE_IS = "models: english, german, large; languages: de, en, fr; operating points: enhanced, standard"


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine([ENGLISH, GERMAN, LARGE])


@pytest.fixture
async def http(tmp_path: Path, engine: FakeEngine) -> AsyncIterator[HttpNode]:
    settings: dict[str, Any] = {"model": ["english", "german", "large"], "routes": ["pt=large"]}
    async with http_node(tmp_path, engine, front_end=ScriptedFrontEnd(make_windows(1)), **settings) as node:
        await node.node.scheduler.models()
        yield node


async def asked_of(engine: FakeEngine, http: HttpNode, config: job_pb2.JobConfig) -> tuple[str, str]:
    """The model and the language that a job's windows were recognised with."""
    async with grpc.aio.insecure_channel(http.node.address) as channel:
        stub: Any = TranscriptionServiceStub(channel)  # type: ignore[no-untyped-call]
        engine.requests.clear()
        await stub.Transcribe(pb.TranscribeRequest(media=media_pb2.MediaSource(inline=b"RIFF"), config=config))
    (asked,) = {(request.model, request.language) for request in engine.requests}
    return asked


async def test_language_and_operating_point_choose_the_recogniser(http: HttpNode, engine: FakeEngine) -> None:
    enhanced = job_pb2.OPERATING_POINT_ENHANCED
    for config, expected in (
        (job_pb2.JobConfig(language="en"), ("english", "en")),
        (job_pb2.JobConfig(language="de-AT"), ("german", "de")),
        (job_pb2.JobConfig(language="de", operating_point=enhanced), ("large", "de")),
        (job_pb2.JobConfig(language="fr"), ("large", "fr")),
        (job_pb2.JobConfig(language="de", model="large"), ("large", "de")),
    ):
        assert await asked_of(engine, http, config) == expected


@pytest.mark.parametrize(
    "config",
    [
        job_pb2.JobConfig(language="ja"),
        job_pb2.JobConfig(language="pt"),  # the model of its row does not know it
        job_pb2.JobConfig(language="fr", operating_point=job_pb2.OPERATING_POINT_STANDARD),
        job_pb2.JobConfig(language="en", model="gone"),
    ],
    ids=str,
)
async def test_what_nobody_takes_is_refused_with_what_there_is(http: HttpNode, config: job_pb2.JobConfig) -> None:
    async with grpc.aio.insecure_channel(http.node.address) as channel:
        stub: Any = TranscriptionServiceStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.SubmitJob(pb.SubmitJobRequest(media=media_pb2.MediaSource(inline=b"RIFF"), config=config))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert str(refused.value.details()).endswith(THERE_IS)
    status, info = rpc_status.from_call(refused.value), error_details_pb2.ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    assert (info.reason, info.metadata["models"]) == ("MODEL_NOT_FOUND", "english, german, large")
    assert (info.metadata["languages"], info.metadata["operating_points"]) == ("de, en, fr", "enhanced, standard")


@pytest.mark.parametrize(
    ("language", "expected"),
    [("de", ["en"]), ("auto", ["auto"]), ("auto", [""]), ("", ["d e"]), ("", [f"l{n}" for n in range(21)])],
)
async def test_languages_to_expect_are_checked(http: HttpNode, language: str, expected: list[str]) -> None:
    config = job_pb2.JobConfig(language=language, expected_languages=expected)
    async with grpc.aio.insecure_channel(http.node.address) as channel:
        stub: Any = TranscriptionServiceStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.SubmitJob(pb.SubmitJobRequest(media=media_pb2.MediaSource(inline=b"RIFF"), config=config))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "config.expected_languages" in str(refused.value.details())


async def test_languages_to_expect_choose_the_recogniser_and_are_told_again(http: HttpNode, engine: FakeEngine) -> None:
    config = job_pb2.JobConfig(language="auto", expected_languages=["de"])
    assert await asked_of(engine, http, config) == ("german", "auto")
    async with grpc.aio.insecure_channel(http.node.address) as channel:
        stub: Any = TranscriptionServiceStub(channel)  # type: ignore[no-untyped-call]
        jobs = (await stub.ListJobs(pb.ListJobsRequest())).jobs
    assert list(jobs[0].config.expected_languages) == ["de"]


@pytest.mark.parametrize(
    ("languages", "fields", "expected"),
    [
        (["de"], {}, ("german", "auto")),
        (["it", "ja"], {}, ("english", "auto")),  # spoken by nobody
        (["de"], {"model": "english"}, ("english", "auto")),
        (["auto", "d e"], {}, ("english", "auto")),
        (["auto", "ja"], {"language": "fr"}, ("large", "fr")),
    ],
)
async def test_languages_of_openai_are_a_hint(
    http: HttpNode, engine: FakeEngine, languages: list[str], fields: dict[str, str], expected: tuple[str, str]
) -> None:
    asked = {"model": "whisper-1", "languages[]": languages, **fields}
    answer = await http.client.post("/v1/audio/transcriptions", files={"file": ("a.wav", b"RIFF")}, data=asked)
    assert answer.status_code == httpx.codes.OK, answer.text
    assert {(request.model, request.language) for request in engine.requests} == {expected}


async def test_every_dialect_tells_what_there_is(http: HttpNode) -> None:
    recording = {"file": ("a.wav", b"RIFF")}
    openai = await http.client.post(
        "/v1/audio/transcriptions", files=recording, data={"model": "whisper-1", "language": "ja"}
    )
    guide = await http.client.post("/transcribe/async", files={"audio": ("a.wav", b"RIFF")}, data={"language": "ja"})
    speechmatics = await submit(http, config_with("transcription_config", language="ja"))
    for answer in (openai, guide, speechmatics):
        assert httpx.codes.is_client_error(answer.status_code), answer.text
        assert THERE_IS in answer.text


async def test_an_operating_point_of_speechmatics_is_one_here_where_something_serves_it(
    http: HttpNode, engine: FakeEngine
) -> None:
    for name, expected in (("enhanced", "large"), ("standard", "english"), ("unheard-of", "english")):
        engine.requests.clear()
        answer = await submit(http, config_with("transcription_config", operating_point=name), params={"wait": 30})
        assert answer.json()["status"] == "done", answer.text
        assert {request.model for request in engine.requests} == {expected}


async def test_an_alias_of_the_settings_goes_before_an_operating_point(tmp_path: Path, engine: FakeEngine) -> None:
    settings: dict[str, Any] = {"model": "german", "model_aliases": {"enhanced": "english", "*": ""}}
    async with http_node(tmp_path, engine, front_end=ScriptedFrontEnd(make_windows(1)), **settings) as http:
        answer = await submit(
            http, config_with("transcription_config", operating_point="enhanced"), params={"wait": 30}
        )
        assert answer.json()["status"] == "done", answer.text
    assert {request.model for request in engine.requests} == {"english"}
