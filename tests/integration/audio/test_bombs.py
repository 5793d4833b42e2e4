"""Recordings made to exhaust their decoder, in real worker processes: the short ones of `make prove-bombs`."""

from pathlib import Path

import pytest

from tests.proofs.bombs import MIB, detonate, open_pool
from tests.support.bombs import BOMBS, Bomb
from tests.support.playlists import try_playlists

# Eleven seconds of processor time, which the kernel then ends; seven of zeros.
SLOW = frozenset({"crumbs", "stamps", "opus-lie", "mp3"})
SHORT = [pytest.param(bomb, id=bomb.name) for bomb in BOMBS if bomb.name not in SLOW]


@pytest.mark.parametrize("bomb", SHORT)
async def test_a_bomb_is_refused_by_its_limit_and_costs_little(bomb: Bomb, vad_path: Path, tmp_path: Path) -> None:
    pool = open_pool(vad_path, cpu_s=20.0, memory_bytes=1024 * MIB)
    try:
        assert (await detonate(pool, bomb, tmp_path)).faults == []
    finally:
        await pool.close()


async def test_processor_time_is_capped_by_the_kernel(vad_path: Path, tmp_path: Path) -> None:
    [crumbs] = [bomb for bomb in BOMBS if bomb.name == "crumbs"]
    pool = open_pool(vad_path, cpu_s=2.0, memory_bytes=1024 * MIB)
    try:
        result = await detonate(pool, crumbs, tmp_path)
        assert result.faults == []
        assert "2 allowed by decode_cpu_s" in result.said
    finally:
        await pool.close()


async def test_nothing_that_a_recording_names_is_opened(vad_path: Path, tmp_path: Path) -> None:
    pool = open_pool(vad_path, cpu_s=20.0, memory_bytes=1024 * MIB)
    try:
        tried, arrived = await try_playlists(pool, tmp_path)
    finally:
        await pool.close()
    assert [one for one in tried if one.reached or one.is_followed] == []
    assert arrived > 0
