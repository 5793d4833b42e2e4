"""Any bytes → windows or a refusal that blames the bytes, never a hang: the short form of `make prove-fuzz`."""

import os
import random
import signal
from collections.abc import AsyncIterator
from itertools import islice
from pathlib import Path

import pytest

from stenod_server.audio.pool import AudioWorkerPool
from tests.support.fuzz_media import attempt, inputs, open_pool, seeds
from tests.support.fuzz_seeds import CORPUS
from tests.support.models import built_models_dir
from tests.support.waves import silence, write_wav

__all__ = ["built_models_dir"]

SEED, FRESH = 3, 800
MAX_CORPUS_BYTES = 500 * 1024


@pytest.fixture
async def pool(built_models_dir: Path) -> AsyncIterator[AudioWorkerPool]:
    opened = open_pool(built_models_dir / "silero-vad" / "1" / "silero_vad_sequence.onnx")
    await opened.start()
    yield opened
    await opened.close()


async def test_the_corpus_finds_nothing(pool: AudioWorkerPool, tmp_path: Path) -> None:
    outcomes = {file.name: await attempt(pool, tmp_path / "media", file.read_bytes()) for file in CORPUS.iterdir()}
    assert {name: outcome.fault for name, outcome in outcomes.items() if outcome.fault} == {}
    assert {outcome.kind for name, outcome in outcomes.items() if name.startswith("seed-")} == {"transcript"}


async def test_fresh_inputs_find_nothing(pool: AudioWorkerPool, tmp_path: Path) -> None:
    faults, kinds = [], set()
    for number, one in enumerate(islice(inputs(random.Random(SEED), seeds()), FRESH)):
        outcome = await attempt(pool, tmp_path / "media", one.data)
        kinds.add(outcome.kind)
        faults += [(number, one.form, outcome.fault)] if outcome.fault else []
    assert faults == []
    assert kinds >= {"transcript", "UNSUPPORTED_MEDIA", "NO_AUDIO", "LIMIT_EXCEEDED"}


async def test_a_worker_that_hangs_is_noticed(built_models_dir: Path, tmp_path: Path) -> None:
    vad_path = built_models_dir / "silero-vad" / "1" / "silero_vad_sequence.onnx"
    good = write_wav(tmp_path / "good.wav", silence(2)).read_bytes()
    pool = open_pool(vad_path, stall_timeout_s=0.3)
    try:
        await pool.start()
        os.kill(pool.worker_pids[0], signal.SIGSTOP)
        assert (await attempt(pool, tmp_path / "media", good)).kind == "HANG"
    finally:
        await pool.close()


def test_the_corpus_is_small() -> None:
    assert sum(file.stat().st_size for file in CORPUS.iterdir()) <= MAX_CORPUS_BYTES
