"""Holes in the time stamps: which of them are silence, and which a clock that was set anew."""

import pytest

from stenod_server.audio.timeline import Timeline

RATE = 16_000


@pytest.mark.parametrize(
    ("stamp_s", "position_s", "gap_s"),
    [
        (None, 3, 0),
        (3, 3, 0),
        (3.09, 3, 0),  # rounding
        (3.2, 3, 0.2),
        (63, 3, 60),
        (3700, 3, 0),  # no silence lasts that long
        (2, 3, 0),
    ],
)
def test_a_hole_of_a_sane_length_is_silence(stamp_s: float | None, position_s: float, gap_s: float) -> None:
    timeline = Timeline("matroska", 0.0, estimated_samples=0)
    assert timeline.gap_samples(stamp_s, round(position_s * RATE)) == round(gap_s * RATE)


def test_a_clock_that_was_set_anew_is_followed_from_there() -> None:
    timeline = Timeline("mpegts", 10.0, estimated_samples=0)
    assert timeline.gap_samples(10.0, 0) == 0
    assert timeline.gap_samples(2.0, 5 * RATE) == 0  # it went back: now 2.0 means second 5
    assert timeline.gap_samples(4.0, 6 * RATE) == RATE


def test_a_stamp_behind_the_announced_end_is_forged() -> None:
    timeline = Timeline("mov", 0.0, estimated_samples=20 * RATE)
    assert timeline.gap_samples(3000.0, 10 * RATE) == 0


def test_sound_that_starts_after_the_picture_starts_with_silence() -> None:
    assert Timeline("mov", 1.5, estimated_samples=0).gap_samples(2.25, 0) == round(0.75 * RATE)


def test_stamps_that_are_derived_from_a_bit_rate_are_not_looked_at() -> None:
    assert Timeline("mp3", 0.0, estimated_samples=0).gap_samples(9.0, 0) == 0
    assert not Timeline("avi", 0.0, estimated_samples=0).is_trusted


def test_flac_numbers_its_samples() -> None:
    timeline = Timeline("flac", 0.0, estimated_samples=0)
    assert timeline.gap_samples(1.072, RATE) == 1152
