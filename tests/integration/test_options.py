"""What a job asks of the recogniser reaches every window through every API, or is refused or warned of by name."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

import stenod
from stenod.v1 import job_pb2, media_pb2
from stenod.v1 import transcription_service_pb2 as pb
from stenod.v1.transcription_service_pb2_grpc import TranscriptionServiceStub
from stenod_server.domain.decoding import Decoding, Task, VocabularyEntry
from stenod_server.engine.fake import FAKE_PROFILE, FakeEngine
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.http_node import HttpNode, http_node
from tests.support.speechmatics import config_with, refusal, submit

PLAIN = replace(FAKE_PROFILE, model="plain", languages=("en",), takes_mark_bias=False)
ABLE = replace(
    FAKE_PROFILE,
    model="able",
    languages=("en",),
    tasks=("transcribe", "translate"),
    takes_hotwords=True,
    takes_prompt=True,
    takes_mark_bias=True,
    max_beam_size=4,
)
RECORDING = {"file": ("a.wav", b"RIFF")}
VOCABULARY = (VocabularyEntry("Aoife", ("eefa",)), VocabularyEntry("Sinn Féin"))


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine([PLAIN, ABLE])


@pytest.fixture
async def http(tmp_path: Path, engine: FakeEngine) -> AsyncIterator[HttpNode]:
    """The default model can do nothing of it, and another one all."""
    settings: dict[str, Any] = {"model": ["plain", "able"], "model_aliases": {"whisper-1": "able", "*": ""}}
    async with http_node(tmp_path, engine, front_end=ScriptedFrontEnd(make_windows(3)), **settings) as node:
        await node.node.scheduler.models()
        yield node


def _decoded(engine: FakeEngine) -> tuple[str, Decoding]:
    """The model and what was asked of it, the same for all windows."""
    ((model, decoding),) = {(request.model, request.decoding) for request in engine.requests}
    return model, decoding


async def test_of_a_job_of_the_grpc_api(http: HttpNode, engine: FakeEngine) -> None:
    async with stenod.Client(http.node.address) as client:
        job = await client.submit(
            b"RIFF",
            language="en",
            task="translate",
            vocabulary=[{"content": "Aoife", "sounds_like": ["eefa"]}, "Sinn Féin"],
            beam_size=4,
            prompt="Of harps.",
            punctuation_sensitivity=0.25,
        )
        await client.wait(job.job_id)
        models = {model.name: model.proto for model in await client.models()}
    expected = Decoding(task=Task.TRANSLATE, vocabulary=VOCABULARY, beam_size=4, prompt="Of harps.", mark_bias=-2.0)
    assert _decoded(engine) == ("able", expected)
    assert job.proto.config.additional_vocabulary[0].boost == 2.0
    assert (models["able"].takes_vocabulary, models["plain"].takes_vocabulary) == (True, False)


@pytest.mark.parametrize(
    ("config", "field", "says"),
    [
        ({"task": job_pb2.TASK_TRANSLATE}, "config.task", "plain does nothing but transcribe"),
        (
            {"additional_vocabulary": [{"content": "a"}]},
            "config.additional_vocabulary",
            "plain cannot listen for given words",
        ),
        ({"decoding": {"beam_size": 2}}, "config.decoding.beam_size", "plain searches with at most 1"),
        ({"decoding": {"prompt": "a"}}, "config.decoding.prompt", "plain takes none"),
        (
            {"formatting": {"punctuation_sensitivity": 0.9}},
            "config.formatting.punctuation_sensitivity",
            "plain sets its marks as it does",
        ),
    ],
)
async def test_what_the_named_model_cannot_do_is_refused(
    http: HttpNode, engine: FakeEngine, config: dict[str, Any], field: str, says: str
) -> None:
    request = pb.SubmitJobRequest(
        media=media_pb2.MediaSource(inline=b"RIFF"), config=job_pb2.JobConfig(model="plain", language="en", **config)
    )
    async with grpc.aio.insecure_channel(http.node.address) as channel:
        stub: Any = TranscriptionServiceStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.SubmitJob(request)
    status, info, bad = (
        rpc_status.from_call(refused.value),
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
    )
    assert status is not None
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == f"{field}: {says}; models that can: able"
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad)
    assert (info.reason, info.metadata["field"], bad.field_violations[0].field) == ("OPTION_NOT_SERVED", field, field)
    assert engine.requests == []


async def test_one_bad_entry_is_named(http: HttpNode) -> None:
    async with stenod.Client(http.node.address) as client:
        with pytest.raises(stenod.errors.InvalidRequest, match=r"config\.additional_vocabulary\.1\.content: is empty"):
            await client.submit(b"RIFF", vocabulary=["fine", " "])


# --- Speechmatics ----------------------------------------------------------------------------------------------------

VOCAB: list[Any] = [{"content": "Aoife", "sounds_like": ["eefa"]}, "Sinn Féin", "a b c d e f g"]


async def test_additional_vocab_of_speechmatics(http: HttpNode, engine: FakeEngine) -> None:
    answer = await submit(http, config_with("transcription_config", additional_vocab=VOCAB), params={"wait": 30})
    assert answer.json()["status"] == "done", answer.text
    assert _decoded(engine) == ("able", Decoding(vocabulary=VOCABULARY))
    job = (await http.client.get(f"/v2/jobs/{answer.json()['id']}")).json()["job"]
    assert job["config"]["transcription_config"]["additional_vocab"] == VOCAB
    log = (await http.client.get(f"/v2/jobs/{answer.json()['id']}/log")).text
    assert "phrases of more than 6 words are left out: 1" in log


async def test_sensitivity_of_speechmatics(http: HttpNode, engine: FakeEngine) -> None:
    asked = {"punctuation_overrides": {"sensitivity": 0.0}}
    answer = await submit(http, config_with("transcription_config", **asked), params={"wait": 30})
    assert answer.json()["status"] == "done", answer.text
    assert _decoded(engine) == ("able", Decoding(mark_bias=-4.0))
    refused = await submit(http, config_with("transcription_config", **asked, model="plain"))
    assert refusal(refused)[2].startswith(
        "transcription_config.punctuation_overrides.sensitivity: plain sets its marks"
    )


async def test_additional_vocab_that_the_model_cannot_listen_for_is_refused(http: HttpNode, engine: FakeEngine) -> None:
    answer = await submit(http, config_with("transcription_config", additional_vocab=VOCAB, model="plain"))
    assert refusal(answer) == (
        400,
        "Bad Request",
        "transcription_config.additional_vocab: plain cannot listen for given words; models that can: able",
    )
    bad = await submit(http, config_with("transcription_config", additional_vocab=["fine", {"content": ""}]))
    assert refusal(bad)[2] == "transcription_config.additional_vocab.1.content: is empty"
    assert engine.requests == []


# --- OpenAI ----------------------------------------------------------------------------------------------------------

HINTS: dict[str, Any] = {"prompt": "Of harps.", "keywords[]": ["Aoife", "Sinn Féin"], "hotwords": "Triton"}


async def _asked(http: HttpNode, path: str = "transcriptions", **fields: Any) -> httpx.Response:
    return await http.client.post(f"/v1/audio/{path}", files=RECORDING, data={"language": "en", **fields})


async def _warnings(http: HttpNode) -> list[str]:
    async with stenod.Client(http.node.address) as client:
        (job,) = [job async for job in client.jobs()]
        return [message for _reason, message in (await client.transcript(job.job_id)).warnings]


async def test_hints_of_openai_reach_a_model_that_can(http: HttpNode, engine: FakeEngine) -> None:
    answer = await _asked(http, model="whisper-1", **HINTS)
    assert answer.status_code == httpx.codes.OK, answer.text
    words = tuple(map(VocabularyEntry, ("Aoife", "Sinn Féin", "Triton")))
    assert _decoded(engine) == ("able", Decoding(vocabulary=words, prompt="Of harps."))
    assert await _warnings(http) == []


async def test_hints_of_openai_are_warned_of_where_the_model_cannot(http: HttpNode, engine: FakeEngine) -> None:
    answer = await _asked(http, model="gpt-transcribe", **HINTS)
    assert answer.status_code == httpx.codes.OK, answer.text
    assert _decoded(engine) == ("plain", Decoding())
    assert await _warnings(http) == [
        "keywords: plain cannot listen for given words",
        "hotwords: plain cannot listen for given words",
        "prompt: plain takes none",
    ]


@pytest.mark.parametrize("model", ["whisper-1", "gpt-transcribe"])
async def test_translations_of_openai(http: HttpNode, engine: FakeEngine, model: str) -> None:
    answer = await _asked(http, "translations", model=model, response_format="verbose_json", prompt="Of harps.")
    assert answer.status_code == httpx.codes.OK, answer.text
    assert (answer.json()["task"], answer.json()["language"]) == ("translate", "english")
    assert _decoded(engine) == ("able", Decoding(task=Task.TRANSLATE, prompt="Of harps."))


async def test_translations_of_openai_by_a_model_that_cannot_are_refused(http: HttpNode, engine: FakeEngine) -> None:
    answer = await _asked(http, "translations", model="plain")
    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert answer.json()["error"] == {
        "message": "model: plain does nothing but transcribe; models that can: able",
        "type": "invalid_request_error",
        "param": "model",
        "code": "option_not_served",
    }
    assert engine.requests == []
