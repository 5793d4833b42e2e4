"""Two systems in turns: what is said of them follows from the pairs, not from their minutes."""

import pytest

from bench.beside import Comparison, Took, figures, table

# A disturbed turn, in which both are slow, between two quiet ones.
PAIRS = [(Took(2.0, 4.0), Took(1.8, 3.0)), (Took(8.0, 5.0), Took(7.6, 4.2)), (Took(2.0, 4.0), Took(1.6, 3.2))]
FOUND = Comparison("one long file", 360.0, PAIRS)


def test_a_ratio_is_that_of_a_turn() -> None:
    assert FOUND.speed_ratios == pytest.approx([0.9, 0.95, 0.8])
    assert FOUND.speed_ratio == pytest.approx(0.9)
    assert FOUND.cpu_ratio == pytest.approx(0.8)


def test_seconds_beyond_are_for_an_hour_of_audio() -> None:
    assert FOUND.cpu_beyond_s_per_audio_hour == pytest.approx(8.0)


def test_the_table_and_the_figures_hold_both() -> None:
    line = table([FOUND]).splitlines()[-1]
    for shown in ("one long file", "180.0 (45-180)", "200.0 (47-225)", "0.90", "(0.80-0.95)", "8.0"):
        assert shown in line
    found = {figure.metric: figure.value for figure in figures([FOUND])}
    assert found["speed"] == pytest.approx(180.0)
    assert found["speed ratio"] == pytest.approx(0.9)
