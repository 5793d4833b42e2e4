"""The worker's protocol: what goes in comes out, and nothing else is believed."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenod_server.audio.messages import (
    HEADER,
    Item,
    MalformedMessage,
    decode,
    decode_request,
    encode,
    encode_request,
)
from stenod_server.domain.audio import ChunkLengths
from stenod_server.errors import DecoderDied, LimitExceeded, NoAudio, StenodError, UnsupportedMedia
from stenod_server.ports import AudioProgress, AudioSummary, Window, WindowPlan
from tests.support.waves import noise


def through_the_pipe(item: Item | StenodError) -> Item:
    head, audio = encode(item)
    frame = head + (b"" if audio is None else audio.tobytes())
    kind, length = HEADER.unpack_from(frame)
    assert length == len(frame) - HEADER.size
    return decode(kind, memoryview(frame)[HEADER.size :])


def test_a_window_survives() -> None:
    audio = noise(0.5)
    window = through_the_pipe(Window(7, 2**40, audio, 2**40 + 5, 2**40 + 4000, channel=3))
    assert isinstance(window, Window)
    assert (window.index, window.start_samples, window.channel) == (7, 2**40, 3)
    assert (window.keep_start_samples, window.keep_end_samples) == (2**40 + 5, 2**40 + 4000)
    assert np.array_equal(window.audio, audio)


@pytest.mark.parametrize(
    "item",
    [AudioProgress(5, 0), AudioSummary(1, 2, 3, 4, 5, "opus", "ogg", "ends “early”")],
    ids=["progress", "summary"],
)
def test_the_other_items_survive(item: Item) -> None:
    assert through_the_pipe(item) == item


@pytest.mark.parametrize(
    "error",
    [
        UnsupportedMedia("no"),
        NoAudio("none"),
        DecoderDied("dead"),
        LimitExceeded("media", limit="max_channels", allowed=32, actual=40),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_raised_on_the_other_side(error: StenodError) -> None:
    with pytest.raises(type(error)) as caught:
        through_the_pipe(error)
    assert (str(caught.value), caught.value.message) == (str(error), error.message)
    assert caught.value.metadata == error.metadata


def test_a_request_is_one_line() -> None:
    chunks = ChunkLengths(kept_samples=7, left_samples=2, right_samples=1)
    path, plan = Path("/media/a \n b.wav"), WindowPlan(10, 20, start_s=1.5, per_channel=True, chunks=chunks)
    line = encode_request(path, plan)
    assert line.count(b"\n") == 1
    assert decode_request(line) == (path, plan)


@given(st.sampled_from([b"W", b"P", b"S", b"F", b"?"]), st.binary(max_size=200))
def test_no_frame_does_more_than_be_refused(kind: bytes, payload: bytes) -> None:
    try:
        item = decode(kind, memoryview(payload))
    except MalformedMessage:
        return
    assert isinstance(item, Window | AudioProgress)
