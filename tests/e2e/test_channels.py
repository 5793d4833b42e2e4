"""Channels of a recording through a whole service; a reduced form of tests/proofs/dual_channel.py."""

from pathlib import Path

import pytest

import stenod
from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from tests.proofs.dual_channel import Bench, judged
from tests.support.bleed import DELAYED, Call, bleeding
from tests.support.speech import needs_speech, recordings
from tests.support.waves import write_wav

pytestmark = needs_speech


@pytest.fixture(scope="module")
def call() -> Call:
    return Call.arranged().until(33.0)


async def test_no_word_that_bled_over_is_left_and_no_own_word_is_lost(
    client: stenod.Client, call: Call, tmp_path: Path
) -> None:
    bench = Bench(client, tmp_path)
    audio = bleeding(call.audio, -15.0, DELAYED)
    said = await bench.apart(call.audio)
    clean = judged(call, said, said)
    assert len(clean.own) > 0.9 * clean.words
    assert clean.foreign == ()
    for heard in (await bench.together(call.audio), await bench.together(audio)):
        outcome = judged(call, heard, said)
        assert (outcome.doubled, outcome.lost(clean)) == ((), 0)
        assert outcome.accuracy >= 0.99
    alone = judged(call, await bench.apart(audio), said)
    assert len(alone.doubled) > 10  # this does hear bleed


async def test_turns_come_in_order_of_time_with_the_label_of_their_channel(
    client: stenod.Client, call: Call, tmp_path: Path
) -> None:
    path = write_wav(tmp_path / "call.wav", call.audio[:, : 32 * HZ])
    transcript = await client.transcribe(path, language="en", diarization="channel", channel_labels=["Agent"])
    assert list(transcript.proto.channels) == ["Agent", "Channel 2"]
    starts = [segment.start_s for segment in transcript.segments]
    assert starts == sorted(starts)
    turns = [segment.channel for segment in transcript.segments]
    said = [label for place, label in enumerate(turns) if place == 0 or label != turns[place - 1]]
    assert said == ["Agent", "Channel 2", "Agent", "Channel 2"]
    assert transcript.duration_s == pytest.approx(min(32 * HZ, call.audio.shape[1]) / HZ)


async def test_a_recording_of_one_channel_has_one_whatever_labels_there_are(client: stenod.Client) -> None:
    [path] = [one.path for one in recordings("dual_channel") if one.fields["channels"] == 1]
    transcript = await client.transcribe(
        path, language="en", diarization="channel", channel_labels=["Agent", "Caller", "Nobody"]
    )
    assert list(transcript.proto.channels) == ["Agent"]
    assert {word.channel for word in transcript.words} == {"Agent"}
