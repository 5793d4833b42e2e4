"""Who said what, as each dialect tells it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from openai.types.audio import TranscriptionDiarized

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.ports import Window
from tests.support.fetcher import ScriptedFetcher
from tests.support.front_end import ScriptedFrontEnd
from tests.support.http_node import HttpNode, http_node
from tests.support.renderings import read_json_v2
from tests.support.speechmatics import config_with, submit

URL = "https://cdn.example.com/call.wav"
RECORDING = {"file": ("a.wav", b"RIFF")}
DIARIZED = {"model": "whisper-1", "response_format": "diarized_json"}


def spoken(index: int, start_s: int, seconds: int, *, voice: int = 1, channel: int = 0) -> Window:
    """A window in which one voice speaks all the time."""
    start = start_s * SAMPLE_RATE_HZ
    audio = np.full(seconds * SAMPLE_RATE_HZ, voice, np.int16)
    return Window(index, start, audio, start, start + len(audio), channel)


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[HttpNode]:
    """Two people take turns; a recording of two channels has them apart."""
    turns = [spoken(0, 0, 12), spoken(1, 15, 10, voice=2, channel=1), spoken(2, 30, 12)]
    front_end = ScriptedFrontEnd(turns, channels=2)
    async with http_node(tmp_path, front_end=front_end, fetcher=ScriptedFetcher({URL: b"RIFF"})) as node:
        await node.node.scheduler.models()
        yield node


def texts(seconds: int) -> str:
    return " ".join(f"{seconds * SAMPLE_RATE_HZ}-{second}" for second in range(seconds))


async def test_assemblyai_has_an_utterance_for_each_turn_of_a_channel(http: HttpNode) -> None:
    answer = (await http.client.post("/transcribe/url", json={"audio_url": URL, "dual_channel": True})).json()

    assert answer["stereo_decode"] is True
    assert [(one["channel"], one["start"], one["end"], one["text"]) for one in answer["utterances"]] == [
        ("1", 0, 11_500, texts(12)),
        ("2", 15_000, 24_500, texts(10)),
        ("1", 30_000, 41_500, texts(12)),
    ]
    assert answer["blob"] == " ".join(one["text"] for one in answer["utterances"])
    assert {word["channel"] for word in answer["words"]} == {"1", "2"}


async def test_openai_names_the_speaker_of_each_segment(http: HttpNode) -> None:
    answer = await http.client.post("/v1/audio/transcriptions", files=RECORDING, data=DIARIZED)

    transcription = TranscriptionDiarized.model_validate_json(answer.text, strict=True)
    turns = [(one.speaker, one.start, one.text) for one in transcription.segments]
    assert turns == [("S1", 0.0, texts(12)), ("S2", 15.0, texts(10)), ("S1", 30.0, texts(12))]
    assert transcription.text == " ".join(one.text for one in transcription.segments)


async def test_openai_streams_the_segments_of_speakers(http: HttpNode) -> None:
    answer = await http.client.post("/v1/audio/transcriptions", files=RECORDING, data={**DIARIZED, "stream": "true"})

    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line.startswith("data: ")]
    *told, done = events
    assert [event["type"] for event in told] == ["transcript.text.delta", "transcript.text.segment"] * 3
    assert [(event["id"], event["speaker"]) for event in told[1::2]] == [
        ("seg_0", "S1"),
        ("seg_1", "S2"),
        ("seg_2", "S1"),
    ]
    assert [event["segment_id"] for event in told[::2]] == ["seg_0", "seg_1", "seg_2"]
    assert "".join(event["delta"] for event in told[::2]) == done["text"]


async def test_speechmatics_labels_words_and_channels(http: HttpNode) -> None:
    by_voice = read_json_v2(await _json_v2(http, diarization="speaker"))
    assert [result.alternatives[0].speaker for result in by_voice.results] == ["S1"] * 12 + ["S2"] * 10 + ["S1"] * 12
    assert by_voice.transcript_text.count("SPEAKER S") == 3

    by_channel = read_json_v2(await _json_v2(http, diarization="channel", channel_diarization_labels=["agent"]))
    assert [result.channel for result in by_channel.results] == ["agent"] * 12 + ["Channel 2"] * 10 + ["agent"] * 12
    assert {result.alternatives[0].speaker for result in by_channel.results} == {"UU"}


async def _json_v2(http: HttpNode, **transcription: object) -> str:
    job = (await submit(http, config_with("transcription_config", **transcription))).json()["id"]
    answer = await http.client.get(f"/v2/jobs/{job}/transcript?wait=30")
    assert answer.status_code == httpx.codes.OK
    return answer.text
