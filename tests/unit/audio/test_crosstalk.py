"""Channels that hear each other: the bleed goes, every own voice stays."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stenod_server.audio.crosstalk import without_crosstalk
from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.ports import Int16Audio
from tests.support.waves import joined, noise, silence, talk

Block = npt.NDArray[np.int16]
FLOOR_DB = -75.0
EDGE = 3 * HZ // 10  # frames that reach into another turn


def filtered(audio: npt.NDArray[np.float64], *, delay_ms: float = 0.0, smoothed: int = 1) -> npt.NDArray[np.float64]:
    """The way from one channel into another: some milliseconds, and less treble."""
    delay = round(delay_ms * HZ / 1000)
    way = np.concatenate([np.zeros(delay), np.ones(smoothed) / np.sqrt(smoothed)])
    return np.convolve(audio, way)[: len(audio)]


def bleeding(*own: Int16Audio, level_db: float, delay_ms: float = 0.0, smoothed: int = 1) -> Block:
    """Each channel with its own voice, its own noise, and the voices of the others."""
    voices = [voice.astype(np.float64) for voice in own]
    channels = []
    for channel, voice in enumerate(voices):
        others = sum(other for place, other in enumerate(voices) if place != channel)
        bleed = filtered(np.asarray(others), delay_ms=delay_ms, smoothed=smoothed) * 10 ** (level_db / 20)
        room = noise(len(voice) / HZ, level_db=FLOOR_DB, seed=channel + 50)
        channels.append(voice + bleed + room)
    mixed: Block = np.rint(np.stack(channels)).astype(np.int16)
    return mixed


def heard(audio: Block, lengths: Iterator[int] | None = None) -> Block:
    def blocks() -> Iterator[Block]:
        at = 0
        while at < audio.shape[1]:
            length = next(lengths) if lengths else HZ
            yield audio[:, at : at + length]
            at += length

    return np.concatenate(list(without_crosstalk(blocks(), len(audio))), axis=1)


def power(audio: Block) -> float:
    return float(np.mean(audio.astype(np.float64) ** 2))


TURNS = (joined(talk(5), silence(5), talk(5, seed=2)), joined(silence(5), talk(5, seed=3), silence(5)))


@pytest.mark.parametrize("level_db", [-15.0, -20.0, -25.0])
@pytest.mark.parametrize("way", [{}, {"delay_ms": 20.0}, {"smoothed": 6}], ids=["plain", "delayed", "filtered"])
def test_what_is_heard_of_another_channel_is_muted_from_the_first_word_on(
    level_db: float, way: dict[str, float]
) -> None:
    audio = bleeding(*TURNS, level_db=level_db, **way)  # type: ignore[arg-type]
    clean = heard(audio)
    assert clean.shape == audio.shape
    for channel, second in ((1, 0), (0, 5), (1, 10)):
        place = slice(second * HZ + EDGE, (second + 5) * HZ - EDGE)
        assert power(clean[channel, place]) < 0.02 * power(audio[channel, place])
    for channel, second in ((0, 0), (1, 5), (0, 10)):
        place = slice(second * HZ, (second + 5) * HZ)
        assert power(clean[channel, place] - TURNS[channel][place]) < 0.01 * power(TURNS[channel][place])
        inside = slice(second * HZ + EDGE, (second + 5) * HZ - EDGE)
        assert np.array_equal(clean[channel, inside], audio[channel, inside])


@pytest.mark.parametrize(("quieter_db", "left_ratio"), [(0.0, 0.6), (8.0, 0.1), (12.0, 0.1)])
def test_of_two_who_speak_at_once_each_keeps_its_own_voice(quieter_db: float, left_ratio: float) -> None:
    """The bleed is learnt before and after. Of two as loud as each other, each is the louder half of the time."""
    one = joined(talk(15))
    other = joined(silence(5), talk(5, level_db=-20.0 - quieter_db, seed=4), silence(5))
    audio = bleeding(one, other, level_db=-15.0)
    clean = heard(audio)
    both = slice(5 * HZ, 10 * HZ)
    assert power(clean[1, both] - other[both]) < left_ratio * power(audio[1, both] - other[both])
    assert power(clean[0, both] - one[both]) < 0.05 * power(one[both])
    assert power(clean[1, : 5 * HZ - EDGE]) == 0


def test_what_bleeds_is_learnt_from_the_moments_without_a_voice_of_its_own() -> None:
    """From few, after many with one."""
    own_s = 5
    one, other = talk(own_s + 3), joined(talk(own_s, level_db=-27.0, seed=4), silence(3))
    audio = bleeding(one, other, level_db=-25.0)
    clean = heard(audio)
    place = slice(own_s * HZ + EDGE, -EDGE)
    assert power(clean[1, place]) < 0.05 * power(audio[1, place])


def test_a_soft_voice_that_no_other_channel_explains_is_kept() -> None:
    """25 dB below the other, for the whole recording."""
    audio = bleeding(talk(20), talk(20, level_db=-45.0, seed=5), level_db=-200.0)
    assert np.array_equal(heard(audio), audio)


def test_channels_of_the_same_sound_are_kept() -> None:
    """Of two that are as loud as each other, neither is the other's echo."""
    audio = np.stack([talk(10), talk(10)])
    assert np.array_equal(heard(audio), audio)


def test_each_of_many_channels_keeps_its_own_turn_alone() -> None:
    count = 6
    voices = [joined(silence(3 * n), talk(3, seed=n + 1), silence(3 * (count - 1 - n))) for n in range(count)]
    audio = bleeding(*voices, level_db=-18.0, delay_ms=2.0)
    clean = heard(audio)
    for turn in range(count):
        place = slice(3 * turn * HZ + EDGE, 3 * (turn + 1) * HZ - EDGE)
        loud = {channel for channel in range(count) if power(clean[channel, place]) > 0.02 * power(audio[0, place])}
        assert turn in loud
        assert {channel for channel in range(count) if power(clean[channel, place]) > 0} == {turn}


def test_one_channel_passes_as_it_is() -> None:
    audio = talk(3)[np.newaxis]
    assert np.array_equal(heard(audio), audio)


def test_no_more_than_some_seconds_wait() -> None:
    fed = 0

    def blocks() -> Iterator[Block]:
        nonlocal fed
        for number in range(60):
            fed += HZ
            yield np.stack([talk(1, seed=number), noise(1, level_db=-50.0, seed=number)])

    given_out = 0
    for block in without_crosstalk(blocks(), 2):
        given_out += block.shape[1]
        assert fed - given_out <= 3.5 * HZ
    assert given_out == fed


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), seconds=st.floats(0.001, 6.0))
def test_blocks_of_any_length_give_the_same(seed: int, seconds: float) -> None:
    rng = np.random.default_rng(seed)
    own = joined(talk(seconds), silence(1)), joined(silence(1), talk(seconds, seed=2))
    audio = bleeding(*own, level_db=-20.0)
    lengths = iter(lambda: int(rng.integers(1, 3 * HZ)), -1)
    assert np.array_equal(heard(audio, lengths), heard(audio))
