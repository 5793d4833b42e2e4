"""Who said what, in the API's words."""

from typing import Any

import pytest

from stenod.v1 import job_pb2, speaker_pb2
from stenod_server.domain.diarization import Diarization, DiarizationMode, KnownSpeaker
from stenod_server.errors import InvalidRequest
from stenod_server.rpc.diarization import from_proto, to_proto

CHANNEL = job_pb2.DIARIZATION_MODE_CHANNEL
SPEAKER = job_pb2.DIARIZATION_MODE_SPEAKER
PREFIX = "config.diarization"


def test_everything_of_speakers_is_read_and_given_back() -> None:
    config = Diarization(
        mode=DiarizationMode.SPEAKER,
        sensitivity=0.7,
        min_speakers=2,
        max_speakers=5,
        prefer_current_speaker=True,
        return_identifiers=True,
    )
    written = job_pb2.DiarizationConfig(
        mode=SPEAKER,
        speaker_sensitivity=0.7,
        min_speakers=2,
        max_speakers=5,
        prefer_current_speaker=True,
        return_speaker_identifiers=True,
    )
    assert from_proto(written) == config
    assert from_proto(to_proto(config)) == config


def test_known_speakers_are_read_and_not_given_back() -> None:
    known = [speaker_pb2.KnownSpeaker(label="Alice", identifiers=["secret", "other"])]
    asked = from_proto(job_pb2.DiarizationConfig(mode=SPEAKER, known_speakers=known))
    assert asked.known_speakers == (KnownSpeaker("Alice", ("secret", "other")),)
    assert b"secret" not in to_proto(asked).SerializeToString()


def test_known_speakers_are_checked() -> None:
    known = [speaker_pb2.KnownSpeaker(label="S1", identifiers=["secret"])]
    with pytest.raises(InvalidRequest, match=rf"{PREFIX}\.known_speakers\.0\.label"):
        from_proto(job_pb2.DiarizationConfig(mode=SPEAKER, known_speakers=known))


def test_everything_of_channels_is_read_and_given_back() -> None:
    config = Diarization(mode=DiarizationMode.CHANNEL, channel_labels=("agent", "caller-2_b.c"))
    written = job_pb2.DiarizationConfig(mode=CHANNEL, channel_labels=["agent", "caller-2_b.c"])
    assert from_proto(written) == config
    assert from_proto(to_proto(config)) == config


@pytest.mark.parametrize("mode", [0, job_pb2.DIARIZATION_MODE_NONE])
def test_nothing_asked_is_none(mode: job_pb2.DiarizationMode) -> None:
    assert from_proto(job_pb2.DiarizationConfig(mode=mode)) == Diarization()
    assert from_proto(to_proto(Diarization())) == Diarization()


def test_what_says_the_default_asks_for_nothing() -> None:
    assert from_proto(job_pb2.DiarizationConfig(speaker_sensitivity=0.5, channel_labels=[])) == Diarization()


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ({"mode": 9}, f"{PREFIX}.mode: 9 is none that this server knows"),
        ({"mode": SPEAKER, "speaker_sensitivity": 1.01}, f"{PREFIX}.speaker_sensitivity: must be from 0 to 1"),
        ({"mode": SPEAKER, "speaker_sensitivity": -0.5}, f"{PREFIX}.speaker_sensitivity: must be from 0 to 1"),
        ({"mode": SPEAKER, "min_speakers": 0}, f"{PREFIX}.min_speakers: must be from 1 to 100, got 0"),
        ({"mode": SPEAKER, "max_speakers": 101}, f"{PREFIX}.max_speakers: must be from 1 to 100, got 101"),
        (
            {"mode": SPEAKER, "min_speakers": 3, "max_speakers": 2},
            f"{PREFIX}.max_speakers: must be at least min_speakers (3), got 2",
        ),
        ({"speaker_sensitivity": 0.7}, f"{PREFIX}.speaker_sensitivity: goes with mode speaker alone, not with none"),
        ({"min_speakers": 2}, f"{PREFIX}.min_speakers: goes with mode speaker alone"),
        ({"max_speakers": 2}, f"{PREFIX}.max_speakers: goes with mode speaker alone"),
        ({"prefer_current_speaker": True}, f"{PREFIX}.prefer_current_speaker: goes with mode speaker alone"),
        (
            {"mode": CHANNEL, "return_speaker_identifiers": True},
            f"{PREFIX}.return_speaker_identifiers: goes with mode speaker alone, not with channel",
        ),
        (
            {"mode": SPEAKER, "channel_labels": ["a"]},
            f"{PREFIX}.channel_labels: goes with mode channel alone, not with speaker",
        ),
        ({"mode": CHANNEL, "channel_labels": ["a", "b c"]}, f"{PREFIX}.channel_labels.1: 'b c' is not of the form"),
        ({"mode": CHANNEL, "channel_labels": ["a\n"]}, f"{PREFIX}.channel_labels.0: 'a\\n' is not of the form"),
        ({"mode": CHANNEL, "channel_labels": [""]}, f"{PREFIX}.channel_labels.0: '' is not of the form"),
        ({"mode": CHANNEL, "channel_labels": ["a" * 65]}, f"{PREFIX}.channel_labels.0: more than 64 allowed"),
        ({"mode": CHANNEL, "channel_labels": ["a", "a"]}, f"{PREFIX}.channel_labels: no two channels may have"),
        (
            {"mode": CHANNEL, "channel_labels": [f"c{n}" for n in range(33)]},
            f"{PREFIX}.channel_labels: more than 32 allowed by labels of channels, got 33",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(asked: dict[str, Any], refusal: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        from_proto(job_pb2.DiarizationConfig(**asked))
    assert refused.value.message.startswith(refusal)


def test_a_channel_behind_the_last_label_is_named_by_its_number() -> None:
    config = from_proto(job_pb2.DiarizationConfig(mode=CHANNEL, channel_labels=["agent"]))
    assert [config.channel_label(0), config.channel_label(1)] == ["agent", "Channel 2"]
