"""Who said what, and how it is written: through whichever API it is asked for, the job that is stored asks the same."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import grpc
import httpx
import pytest
from google.protobuf import json_format

import stenod
from stenod.v1 import job_pb2, media_pb2
from stenod.v1 import transcription_service_pb2 as pb
from stenod.v1.transcription_service_pb2_grpc import TranscriptionServiceStub
from stenod_server.domain.job import JobConfig
from stenod_server.domain.rendering import SubtitleShape
from stenod_server.engine.fake import FakeEngine
from stenod_server.ports import JobFilter
from tests.support.asked_options import CASES, Case, of_speechmatics
from tests.support.fetcher import ScriptedFetcher
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.http_node import HttpNode, http_node
from tests.support.speechmatics import config_with, refusal, submit, submitted

URL: Final = "https://cdn.example.com/call.wav"
RECORDING: Final = {"file": ("a.wav", b"RIFF")}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[HttpNode]:
    front_end = ScriptedFrontEnd(make_windows(1, seconds=2.0))
    async with http_node(tmp_path, front_end=front_end, fetcher=ScriptedFetcher({URL: b"RIFF"})) as node:
        await node.node.scheduler.models()
        yield node


async def _stored(http: HttpNode) -> JobConfig:
    """What the job asks that came last."""
    (job,) = await http.node.scheduler.list("default", JobFilter(), limit=1)
    return _said(job.config)


def _said(config: JobConfig) -> JobConfig:
    """What this is about."""
    return JobConfig(formatting=config.formatting, diarization=config.diarization, subtitles=config.subtitles)


def test_every_option_is_tried() -> None:
    for section in ("formatting", "diarization", "subtitles"):
        usual = getattr(JobConfig(), section)
        tried = {
            name
            for name in usual.__dataclass_fields__
            if any(getattr(getattr(case.asked, section), name) != getattr(usual, name) for case in CASES)
        }
        assert tried == set(usual.__dataclass_fields__) - {"asked"}  # which says what of the others was named


async def test_of_the_grpc_api(http: HttpNode) -> None:
    async with grpc.aio.insecure_channel(http.node.address) as channel:
        stub: Any = TranscriptionServiceStub(channel)  # type: ignore[no-untyped-call]
        for case in CASES:
            config = json_format.ParseDict(case.proto, job_pb2.JobConfig())
            await stub.SubmitJob(pb.SubmitJobRequest(media=media_pb2.MediaSource(inline=b"RIFF"), config=config))
            assert await _stored(http) == case.asked, case.name


async def test_of_the_python_client(http: HttpNode) -> None:
    async with stenod.Client(http.node.address) as client:
        for case in CASES:
            await client.submit(b"RIFF", **case.keywords)
            assert await _stored(http) == case.asked, case.name


async def test_of_the_command(http: HttpNode) -> None:
    """As many options at once as go together: a process each would take its time."""
    apart = {"channels", "punctuation off"}
    for cases in (
        [case for case in CASES if case.command and case.name not in {*apart, "most speakers"}],
        [case for case in CASES if case.name in apart],
    ):
        arguments = [argument for case in cases for argument in case.command or ()]
        command = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stenod_server", "transcribe", "-", "--server", http.node.address, *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        await command.communicate(b"RIFF")
        assert await _stored(http) == _together(cases)


def _together(cases: list[Case]) -> JobConfig:
    """All that they ask."""
    config = JobConfig()
    for case in cases:
        for section in ("formatting", "diarization", "subtitles"):
            usual, asked, so_far = (getattr(one, section) for one in (JobConfig(), case.asked, config))
            changes = {
                name: getattr(asked, name)
                for name in type(usual).__dataclass_fields__
                if getattr(asked, name) != getattr(usual, name)
            }
            config = replace(config, **{section: replace(so_far, **changes)})
    return config


async def test_of_speechmatics(http: HttpNode) -> None:
    """Which writes numbers in digits without being asked."""
    for case in CASES:
        if case.speechmatics is not None:
            await submitted(http, config_with("transcription_config", **case.speechmatics))
            stored = await _stored(http)
            assert stored.formatting.numerals, case.name
            assert stored == _with_digits(case.asked), case.name


async def test_of_assemblyai(http: HttpNode) -> None:
    """Which does so, too, unless the text shall not be formatted."""
    for case in CASES:
        if case.assemblyai is not None:
            answer = await http.client.post("/transcribe/url", json={"audio_url": URL, **case.assemblyai})
            assert answer.status_code == httpx.codes.OK, answer.text
            is_formatted = case.assemblyai.get("format_text", True)
            expected = _with_digits(case.asked) if is_formatted else case.asked
            assert await _stored(http) == expected, case.name


async def test_of_openai(http: HttpNode) -> None:
    for case in CASES:
        if case.openai is not None:
            form = {"model": "whisper-1", **case.openai}
            answer = await http.client.post("/v1/audio/transcriptions", files=RECORDING, data=form)
            assert answer.status_code == httpx.codes.OK, answer.text
            assert await _stored(http) == case.asked, case.name


def _with_digits(config: JobConfig) -> JobConfig:
    return replace(config, formatting=replace(config.formatting, numerals=True))


async def test_srt_overrides_of_speechmatics(http: HttpNode) -> None:
    shape = {"srt_overrides": {"max_line_length": 42, "max_lines": 1}}
    await submitted(http, config_with("output_config", **shape))
    assert (await _stored(http)).subtitles == SubtitleShape(max_line_length=42, max_lines=1)


async def test_speakers_that_nobody_can_hear_are_refused_in_each_dialect_s_words(tmp_path: Path) -> None:
    says = "telling speakers apart takes a model of voices"
    async with http_node(tmp_path, FakeEngine(voice_profiles=[])) as deaf:
        spoken = refusal(await submit(deaf, config_with("transcription_config", diarization="speaker")))
        assert spoken[2].startswith(f"transcription_config.diarization: {says}")
        form = {"model": "whisper-1", "response_format": "diarized_json"}
        answer = await deaf.client.post("/v1/audio/transcriptions", files=RECORDING, data=form)
        assert answer.json()["error"]["param"] == "response_format"
        assert answer.json()["error"]["message"].startswith(f"response_format: {says}")


REFUSED: Final[list[tuple[dict[str, Any], str]]] = [
    ({"audio_filtering_config": {"volume_threshold": 101}}, "audio_filtering_config.volume_threshold"),
    ({"punctuation_overrides": {"permitted_marks": ["a"]}}, "punctuation_overrides.permitted_marks.0"),
    ({"output_locale": "de-CH"}, "output_locale"),
    ({"output_locale": "e n"}, "output_locale"),
    (
        {"transcript_filtering_config": {"replacements": [{"from": "/(a/", "to": ""}]}},
        "transcript_filtering_config.replacements.0",
    ),
    (
        {"transcript_filtering_config": {"replacements": [{"from": "a"}]}},
        "transcript_filtering_config.replacements.0.to",
    ),
    ({"diarization": "channel_and_speaker"}, "diarization"),
    ({"channel_diarization_labels": ["a"]}, "channel_diarization_labels"),
    ({"diarization": "channel", "channel_diarization_labels": ["a-b"]}, "channel_diarization_labels.0"),
    ({"diarization": "channel", "channel_diarization_labels": ["a", "a"]}, "channel_diarization_labels"),
    ({"speaker_diarization_config": {"max_speakers": 2}}, "speaker_diarization_config.max_speakers"),
    (of_speechmatics(max_speakers=0), "speaker_diarization_config.max_speakers"),
    (of_speechmatics(speaker_sensitivity=1.5), "speaker_diarization_config.speaker_sensitivity"),
    (
        of_speechmatics(speakers=[{"label": "S1", "speaker_identifiers": ["x"]}]),
        "speaker_diarization_config.speakers.0.label",
    ),
]


async def test_speechmatics_refuses_what_makes_no_sense_in_its_own_words(http: HttpNode) -> None:
    for config, named in REFUSED:
        status, _, detail = refusal(await submit(http, config_with("transcription_config", **config)))
        assert status == httpx.codes.BAD_REQUEST
        assert detail.startswith(f"transcription_config.{named}: "), (config, detail)
