"""Real worker processes: reused, killed, replaced, held back, and never left behind."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from fcntl import F_GETPIPE_SZ, fcntl
from pathlib import Path

import psutil
import pytest

from stenod_server.audio.messages import PIPE_BYTES
from stenod_server.audio.pool import AudioPoolSettings, AudioWorkerPool
from stenod_server.errors import DecoderDied, UnsupportedMedia
from stenod_server.ports import AudioSummary, Window, WindowPlan
from tests.integration.audio.conftest import OpenPool
from tests.support.eventually import eventually
from tests.support.speech import PROJECT_ROOT, needs_speech, recordings
from tests.support.waves import joined, noise, silence, talk, write_wav

PLAN = WindowPlan(window_target_samples=160_000, window_max_samples=320_000)


async def read(pool: AudioWorkerPool, path: Path) -> list[object]:
    async with pool.windows(path, PLAN) as items:
        return [item async for item in items]


@pytest.fixture
def short(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "short.wav", silence(2))


@pytest.fixture
def endless() -> Path:
    """Long enough that a worker cannot have sent all of it into a pipe nobody reads."""
    [recording] = recordings("long")
    return recording.path


async def test_one_worker_serves_recording_after_recording(open_pool: OpenPool, short: Path) -> None:
    async with open_pool() as pool:
        await pool.start()
        started = pool.worker_pids
        for _ in range(3):
            [summary] = await read(pool, short)
            assert isinstance(summary, AudioSummary)
        assert pool.worker_pids == started


async def test_a_window_fits_into_the_pipe_whole(open_pool: OpenPool) -> None:
    """Otherwise it wakes the server once for every 64 KiB."""
    async with open_pool() as pool:
        await pool.start()
        fds = Path(f"/proc/{pool.worker_pids[0]}/fd")

        def sizes() -> list[int]:
            found = []
            for fd in fds.iterdir():
                with suppress(FileNotFoundError):  # closed meanwhile: it is still starting
                    if str(fd.readlink()).startswith("pipe:"):
                        with fd.open("rb" if fd.name == "0" else "wb", buffering=0) as pipe:
                            found.append(fcntl(pipe, F_GETPIPE_SZ))
            return found

        await eventually(lambda: PIPE_BYTES in sizes())


async def test_a_refused_file_costs_no_worker(open_pool: OpenPool, short: Path, tmp_path: Path) -> None:
    (tmp_path / "no.wav").write_text("no recording")
    async with open_pool() as pool:
        await pool.start()
        started = pool.worker_pids
        with pytest.raises(UnsupportedMedia, match="not an audio or video file we can read"):
            await read(pool, tmp_path / "no.wav")
        await read(pool, short)
        assert pool.worker_pids == started


async def test_no_more_recordings_than_workers_at_once(open_pool: OpenPool, short: Path) -> None:
    async with open_pool(max_workers=2) as pool, asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(read(pool, short))
        await eventually(lambda: len(pool.worker_pids) == 2)
    assert len(pool.worker_pids) <= 2


async def test_short_recordings_share_a_worker_rather_than_start_more(open_pool: OpenPool, short: Path) -> None:
    async with open_pool(max_workers=4, patience_s=60.0) as pool:
        await pool.start()
        started = pool.worker_pids
        await asyncio.gather(*(read(pool, short) for _ in range(6)))
        assert pool.worker_pids == started


async def test_no_worker_is_started_while_those_in_line_are_served(open_pool: OpenPool, short: Path) -> None:
    async def read_slowly(pool: AudioWorkerPool) -> None:
        async with pool.windows(short, PLAN) as items:
            await asyncio.sleep(0.25)
            assert [type(item) async for item in items] == [AudioSummary]

    async with open_pool(max_workers=8, patience_s=1.0) as pool:
        await pool.start()
        started = pool.worker_pids
        await asyncio.gather(*(read_slowly(pool) for _ in range(8)))  # the last one waits for longer than that
        assert pool.worker_pids == started


@pytest.mark.speech
@needs_speech[1]
async def test_a_recording_gets_a_worker_of_its_own_where_the_others_stay_busy(
    open_pool: OpenPool, short: Path, endless: Path
) -> None:
    async with open_pool(max_workers=2, patience_s=0.01) as pool:
        await pool.start()
        async with pool.windows(endless, PLAN):
            await read(pool, short)
            assert len(pool.worker_pids) == 2


async def test_a_recording_that_is_read_leaves_its_worker_to_others(open_pool: OpenPool, short: Path) -> None:
    """Its windows may be long in being recognised."""
    async with open_pool(max_workers=1) as pool, pool.windows(short, PLAN) as items:
        assert [type(item) async for item in items] == [AudioSummary]
        await asyncio.wait_for(read(pool, short), 10)
        async with pool.windows(short, PLAN) as others:
            with pytest.raises(StopAsyncIteration):
                await anext(items)
            assert isinstance(await anext(others), AudioSummary)
    assert len(pool.worker_pids) == 0


async def test_a_recording_that_is_given_up_while_it_waits_loses_no_worker(open_pool: OpenPool, short: Path) -> None:
    async with open_pool(max_workers=2, patience_s=60.0) as pool:
        await pool.start()
        async with pool.windows(short, PLAN) as items:
            waiting = asyncio.create_task(read(pool, short))
            async for _ in items:
                pass
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.wait_for(read(pool, short), 10)
        assert len(pool.worker_pids) == 1


async def test_a_worn_worker_is_replaced(open_pool: OpenPool, short: Path) -> None:
    async with open_pool(recordings_per_worker=2) as pool:
        await pool.start()
        [first] = pool.worker_pids
        await read(pool, short)
        await read(pool, short)
        await eventually(lambda: len(pool.worker_pids) == 1 and pool.worker_pids != (first,))
        await eventually(lambda: not psutil.pid_exists(first))


async def test_idle_workers_go_down_to_those_wanted(open_pool: OpenPool, short: Path) -> None:
    async with open_pool(max_workers=3, min_idle_workers=1, idle_exit_s=0.01) as pool:
        await asyncio.gather(*(read(pool, short) for _ in range(3)))
        await eventually(lambda: len(pool.worker_pids) == 1)


async def test_a_killed_worker_fails_its_recording_and_the_next_one_is_served(open_pool: OpenPool, short: Path) -> None:
    async with open_pool(max_workers=1) as pool:
        async with pool.windows(short, PLAN) as items:
            [pid] = pool.worker_pids
            os.kill(pid, signal.SIGSEGV)
            with pytest.raises(DecoderDied, match=f"signal {int(signal.SIGSEGV)}"):
                await anext(items)
        assert await read(pool, short)


async def test_a_recording_that_crashes_every_decoder_is_refused_for_good(open_pool: OpenPool, short: Path) -> None:
    async with open_pool(max_workers=1) as pool:
        crashed: set[int] = set()

        async def crash_all() -> None:
            while True:
                for pid in set(pool.worker_pids) - crashed:
                    crashed.add(pid)
                    os.kill(pid, signal.SIGSEGV)
                await asyncio.sleep(0)

        await pool.start()
        crashing = asyncio.create_task(crash_all())
        with pytest.raises(UnsupportedMedia, match="the decoder crashes over it"):
            async with pool.windows(short, PLAN) as items:
                await anext(items)
        crashing.cancel()
        assert len(crashed) >= 2
        await eventually(lambda: not any(_is_running(pid) for pid in crashed))
        assert await read(pool, short)


async def test_a_worker_that_died_while_idle_is_not_used(open_pool: OpenPool, short: Path) -> None:
    async with open_pool(max_workers=1) as pool:
        await read(pool, short)
        [pid] = pool.worker_pids
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: not _is_running(pid))
        await eventually(lambda: not pool._idle[0].is_alive)
        assert await read(pool, short)


@pytest.mark.speech
@needs_speech[1]
async def test_leaving_early_kills_the_worker(open_pool: OpenPool, endless: Path) -> None:
    async with open_pool(max_workers=1, min_idle_workers=0) as pool:
        async with pool.windows(endless, PLAN) as items:
            await anext(items)
            [pid] = pool.worker_pids
        await eventually(lambda: not psutil.pid_exists(pid))
        assert pool.worker_pids == ()


@pytest.mark.speech
@needs_speech[1]
async def test_cancelling_the_reader_kills_the_worker(open_pool: OpenPool, endless: Path) -> None:
    async with open_pool(max_workers=1, min_idle_workers=0) as pool:
        task = asyncio.create_task(read(pool, endless))
        await eventually(lambda: len(pool.worker_pids) == 1)
        [pid] = pool.worker_pids
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda: not psutil.pid_exists(pid))


@pytest.mark.speech
@needs_speech[1]
async def test_a_worker_waits_when_nobody_reads(open_pool: OpenPool, endless: Path) -> None:
    async with open_pool(max_workers=1) as pool, pool.windows(endless, PLAN) as items:
        await anext(items)
        [pid] = pool.worker_pids
        await eventually(_Standstill(pid))
        before_s = _cpu_s(pid)
        windows = [item async for item in items if isinstance(item, Window)]
        # Most of the work was still to do: it had not run ahead into memory.
        assert _cpu_s(pid) > 3 * before_s
        assert len(windows) > 50


def _cpu_s(pid: int) -> float:
    return psutil.Process(pid).cpu_times().user


class _Standstill:
    """True once a process has used no processor for many looks in a row."""

    def __init__(self, pid: int) -> None:
        self._pid, self._seen_s, self._looks = pid, 0.0, 0

    def __call__(self) -> bool:
        now_s = _cpu_s(self._pid)
        self._looks = self._looks + 1 if now_s == self._seen_s else 0
        self._seen_s = now_s
        return self._looks > 300


async def test_silence_from_a_worker_is_an_error(open_pool: OpenPool, short: Path) -> None:
    async with open_pool(max_workers=1, stall_timeout_s=0.2) as pool, pool.windows(short, PLAN) as items:
        os.kill(pool.worker_pids[0], signal.SIGSTOP)
        with pytest.raises(DecoderDied, match="said nothing"):
            await anext(items)


async def test_a_closed_pool_ends_recordings_and_takes_none(open_pool: OpenPool, short: Path) -> None:
    async with open_pool(max_workers=2) as pool:
        await pool.start()
        pids = pool.worker_pids
        await pool.close()
        assert not any(psutil.pid_exists(pid) for pid in pids)
        with pytest.raises(DecoderDied, match="stopped"):
            await read(pool, short)


async def test_a_missing_vad_model_is_told(tmp_path: Path, short: Path) -> None:
    pool = AudioWorkerPool(AudioPoolSettings(vad_path=tmp_path / "gone.onnx", min_idle_workers=0))
    with pytest.raises(DecoderDied, match="ended with status 1"):
        await read(pool, short)
    await pool.close()


_PARENT = """
import asyncio, sys
from pathlib import Path
from stenod_server.audio.messages import PIPE_BYTES
from stenod_server.audio.pool import AudioPoolSettings, AudioWorkerPool
from stenod_server.ports import WindowPlan

async def main():
    pool = AudioWorkerPool(AudioPoolSettings(vad_path=Path(sys.argv[1]), max_workers=2, min_idle_workers=2))
    await pool.start()
    async with pool.windows(Path(sys.argv[2]), WindowPlan(160_000, 320_000)) as items:
        await anext(items)  # the worker is up and at work
        print(*pool.worker_pids, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_no_worker_outlives_a_killed_server(vad_path: Path, tmp_path: Path) -> None:
    audio = joined(*[part for seed in range(12) for part in (talk(9, seed=seed), noise(1))])
    path = write_wav(tmp_path / "a.wav", audio)
    parent = subprocess.Popen(  # noqa: ASYNC220  it starts at once, and is killed here
        [sys.executable, "-c", _PARENT, str(vad_path), str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT_ROOT,
    )
    with parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in (await asyncio.to_thread(parent.stdout.readline)).split()]
        assert len(pids) == 2
        parent.kill()
    await eventually(lambda: not any(_is_running(pid) for pid in pids))


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
