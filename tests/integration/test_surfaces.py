"""Who said what, and how it is written: through whichever API it is asked for, the job that is stored asks the same."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
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
from stenod_server.domain.diarization import Diarization, DiarizationMode, KnownSpeaker
from stenod_server.domain.formatting import Formatting, ProfanityFilter, Replacement
from stenod_server.domain.job import JobConfig
from stenod_server.domain.rendering import SubtitleShape
from stenod_server.engine.fake import FakeEngine
from stenod_server.ports import JobFilter
from tests.support.fetcher import ScriptedFetcher
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.http_node import HttpNode, http_node
from tests.support.speechmatics import config_with, refusal, submit, submitted

URL: Final = "https://cdn.example.com/call.wav"
RECORDING: Final = {"file": ("a.wav", b"RIFF")}


@dataclass(frozen=True)
class Case:
    """One option. How it is said to each API; None: it has none, or none that is built."""

    name: str
    asked: JobConfig
    proto: dict[str, Any]
    keywords: dict[str, Any]
    command: list[str] | None = None
    speechmatics: dict[str, Any] | None = None
    openai: dict[str, str] | None = None
    assemblyai: dict[str, bool] | None = field(default=None)


def written(**formatting: Any) -> JobConfig:
    return JobConfig(formatting=Formatting(**formatting))


def told(mode: DiarizationMode = DiarizationMode.SPEAKER, **diarization: Any) -> JobConfig:
    return JobConfig(diarization=Diarization(mode=mode, **diarization))


def of_speakers(**options: Any) -> dict[str, Any]:
    return {"diarization": {"mode": "DIARIZATION_MODE_SPEAKER", **options}}


def of_speechmatics(**options: Any) -> dict[str, Any]:
    return {"diarization": "speaker", "speaker_diarization_config": options}


SPEAKER: Final = ["--diarization", "speaker"]
CHANNEL: Final = DiarizationMode.CHANNEL
CASES: Final = [
    Case("nothing", JobConfig(), {}, {}, [], {}, {}, {}),
    Case(
        "punctuation off",
        written(punctuation=False),
        {"formatting": {"punctuation": False}},
        {"punctuation": False},
        ["--no-punctuation"],
        {"punctuation_overrides": {"permitted_marks": []}},
        assemblyai={"punctuate": False},
    ),
    Case(
        "permitted marks",
        written(permitted_marks=(".", "?")),
        {"formatting": {"permitted_marks": [".", "?"]}},
        {"permitted_marks": [".", "?"]},
        ["--permitted-mark", ".", "--permitted-mark", "?"],
        {"punctuation_overrides": {"permitted_marks": [".", "?"]}},
    ),
    Case(
        "all marks",
        JobConfig(),
        {},
        {},
        speechmatics={"punctuation_overrides": {"permitted_marks": ["all"], "sensitivity": 0.5}},
    ),
    Case("numerals", written(numerals=True), {"formatting": {"numerals": True}}, {"numerals": True}, ["--numerals"]),
    Case(
        "entities",
        written(entities=True),
        {"formatting": {"entities": True}},
        {"entities": True},
        ["--entities"],
        {"enable_entities": True},
    ),
    Case(
        "no capitals",
        written(casing=False),
        {"formatting": {"casing": False}},
        {"casing": False},
        ["--no-casing"],
        assemblyai={"format_text": False},
    ),
    Case(
        "disfluencies",
        written(remove_disfluencies=True),
        {"formatting": {"remove_disfluencies": True}},
        {"remove_disfluencies": True},
        ["--remove-disfluencies"],
        {"transcript_filtering_config": {"remove_disfluencies": True}},
    ),
    Case(
        "profanity",
        written(profanity_filter=ProfanityFilter.MASK),
        {"formatting": {"profanity_filter": "PROFANITY_FILTER_MASK"}},
        {"profanity_filter": "mask"},
        ["--profanity", "mask"],
    ),
    Case(
        "locale",
        written(output_locale="en-GB"),
        {"formatting": {"output_locale": "en-GB"}},
        {"output_locale": "en-GB"},
        ["--locale", "en-GB"],
        {"output_locale": "en-GB"},
    ),
    Case(
        "volume",
        written(volume_threshold=3.4),
        {"formatting": {"volume_threshold": 3.4}},
        {"volume_threshold": 3.4},
        ["--volume-threshold", "3.4"],
        {"audio_filtering_config": {"volume_threshold": 3.4}},
    ),
    Case(
        "replacements",
        written(replacements=(Replacement("steno d", "stenod"), Replacement("/gr[ae]y/", ""))),
        {
            "formatting": {
                "replacements": [{"pattern": "steno d", "replacement": "stenod"}, {"pattern": "/gr[ae]y/"}],
            }
        },
        {"replacements": {"steno d": "stenod", "/gr[ae]y/": ""}},
        ["--replace", "steno d=stenod", "--replace", "/gr[ae]y/="],
        {
            "transcript_filtering_config": {
                "replacements": [{"from": "steno d", "to": "stenod"}, {"from": "/gr[ae]y/", "to": ""}],
            }
        },
    ),
    Case(
        "channels",
        told(CHANNEL, channel_labels=("agent", "caller")),
        {"diarization": {"mode": "DIARIZATION_MODE_CHANNEL", "channel_labels": ["agent", "caller"]}},
        {"diarization": "channel", "channel_labels": ["agent", "caller"]},
        ["--diarization", "channel", "--channel-label", "agent", "--channel-label", "caller"],
        {"diarization": "channel", "channel_diarization_labels": ["agent", "caller"]},
    ),
    Case(
        "channels with numbers",
        told(CHANNEL, channel_labels=tuple(str(channel) for channel in range(1, 33))),
        {"diarization": {"mode": "DIARIZATION_MODE_CHANNEL", "channel_labels": [str(n) for n in range(1, 33)]}},
        {"diarization": "channel", "channel_labels": [str(n) for n in range(1, 33)]},
        assemblyai={"dual_channel": True},
    ),
    Case(
        "speakers",
        told(),
        of_speakers(),
        {"diarization": "speaker"},
        SPEAKER,
        {"diarization": "speaker"},
        {"response_format": "diarized_json"},
    ),
    Case(
        "sensitivity",
        told(sensitivity=0.7),
        of_speakers(speaker_sensitivity=0.7),
        {"diarization": "speaker", "speaker_sensitivity": 0.7},
        [*SPEAKER, "--speaker-sensitivity", "0.7"],
        of_speechmatics(speaker_sensitivity=0.7),
    ),
    Case(
        "most speakers",
        told(max_speakers=3),
        of_speakers(max_speakers=3),
        {"diarization": "speaker", "max_speakers": 3},
        [*SPEAKER, "--max-speakers", "3"],
        of_speechmatics(max_speakers=3),
    ),
    Case(
        "so many speakers",
        told(min_speakers=2, max_speakers=2),
        of_speakers(min_speakers=2, max_speakers=2),
        {"diarization": "speaker", "min_speakers": 2, "max_speakers": 2},
        [*SPEAKER, "--speakers", "2"],
    ),
    Case(
        "the current speaker",
        told(prefer_current_speaker=True),
        of_speakers(prefer_current_speaker=True),
        {"diarization": "speaker", "prefer_current_speaker": True},
        [*SPEAKER, "--prefer-current-speaker"],
        of_speechmatics(prefer_current_speaker=True),
    ),
    Case(
        "identifiers",
        told(return_identifiers=True),
        of_speakers(return_speaker_identifiers=True),
        {"diarization": "speaker", "return_speaker_identifiers": True},
        [*SPEAKER, "--return-speaker-identifiers"],
        of_speechmatics(get_speakers=True),
    ),
    Case(
        "known speakers",
        told(known_speakers=(KnownSpeaker("Ann", ("one", "two")),)),
        of_speakers(known_speakers=[{"label": "Ann", "identifiers": ["one", "two"]}]),
        {"diarization": "speaker", "known_speakers": {"Ann": ["one", "two"]}},
        speechmatics=of_speechmatics(speakers=[{"label": "Ann", "speaker_identifiers": ["one", "two"]}]),
    ),
    Case(
        "subtitles",
        JobConfig(subtitles=SubtitleShape(max_line_length=42, max_lines=1, max_characters_per_s=15, min_gap_ms=500)),
        {
            "rendering": {
                "subtitles": {
                    "max_line_length": 42,
                    "max_lines": 1,
                    "max_characters_per_second": 15,
                    "min_gap": "0.5s",
                },
            }
        },
        {
            "subtitles": {
                "max_line_length": 42,
                "max_lines": 1,
                "max_characters_per_second": 15,
                "min_gap_s": 0.5,
            }
        },
        ["--max-line-length", "42", "--max-lines", "1", "--max-characters-per-second", "15", "--min-gap", "0.5"],
    ),
]


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
