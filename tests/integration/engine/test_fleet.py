"""Several real Tritons: balance, loss and return, rolling restarts, models that are not everywhere, stragglers."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest

from stenod_server.engine.discovery import Discovery, parse
from stenod_server.engine.target import Target
from stenod_server.engine.triton import TritonEngine
from stenod_server.engine.watch import WatchOptions
from stenod_server.errors import EngineUnavailable
from stenod_server.ports import RecognitionRequest, WindowResult
from stenod_server.recognition.patient_engine import PatienceOptions, PatientEngine
from tests.integration.engine.conftest import MakeTriton, OwnTriton
from tests.support.eventually import eventually
from tests.support.triton import SLEEPER, add_sleeper

QUICK = WatchOptions(
    interval_s=0.5, retry_initial_s=0.05, retry_maximum_s=0.2, control_timeout_s=1.0, doubt_s=0.5, hung_s=2.0
)
FOR_GOOD = {"restart_initial_s": 1000.0, "restart_maximum_s": 1000.0, "watch": WatchOptions(interval_s=1000.0)}


@asynccontextmanager
async def _over(tritons: Sequence[OwnTriton], *, hedge_ratio: float = 0.0) -> AsyncIterator[TritonEngine]:
    """An engine over them, all of which passed their first check."""
    engine = TritonEngine([own.embedded.url for own in tritons], options=QUICK, hedge_ratio=hedge_ratio)
    await engine.start()
    try:
        await eventually(lambda: len(engine.answering) == len(tritons))
        yield engine
    finally:
        await engine.close()


async def _window(engine: TritonEngine | PatientEngine, model: str = SLEEPER) -> WindowResult:
    return await engine.recognise(np.zeros(16_000, np.int16), RecognitionRequest(model), timeout_s=20.0)


def _answered(engine: TritonEngine) -> dict[str, int]:
    return {one.url: one.answered for one in engine.report()}


def _target(engine: TritonEngine, own: OwnTriton) -> Target:
    (found,) = (target for target in engine._fleet.targets if target.url == own.embedded.url)
    return found


async def test_windows_are_shared_a_dead_triton_is_left_out_and_used_again_when_it_is_back(
    make_triton: MakeTriton,
) -> None:
    tritons = [await make_triton(fixed_ms=50) for _ in range(2)]
    async with _over(tritons) as engine:
        patient = PatientEngine(engine, PatienceOptions(attempts=1))
        await asyncio.gather(*(_window(patient) for _ in range(40)))
        assert min(_answered(engine).values()) >= 16

        killed, left = tritons
        os.kill(killed.embedded.pid, signal.SIGKILL)
        await asyncio.gather(*(_window(patient) for _ in range(20)))
        before = _answered(engine)
        await eventually(lambda: len(engine.answering) == 2)  # its supervisor started another one
        await asyncio.gather(*(_window(patient) for _ in range(40)))
        after = _answered(engine)
        assert after[killed.embedded.url] - before[killed.embedded.url] >= 16
        assert after[left.embedded.url] > before[left.embedded.url]


async def test_a_rolling_restart_costs_no_window_a_try(make_triton: MakeTriton) -> None:
    tritons = [await make_triton(fixed_ms=20, **FOR_GOOD) for _ in range(2)]
    async with _over(tritons) as engine:
        windows: list[asyncio.Task[WindowResult]] = []

        async def send() -> None:
            while True:
                windows.append(asyncio.create_task(_window(engine)))  # nobody beside the engine tries again
                await asyncio.sleep(0.005)

        sending = asyncio.create_task(send())
        await eventually(lambda: engine.in_flight > 2)
        os.kill(tritons[0].embedded.pid, signal.SIGTERM)
        await eventually(lambda: engine.answering == {tritons[1].embedded.url})
        sent = len(windows)
        await eventually(lambda: len(windows) > sent + 20)
        sending.cancel()
        assert len(await asyncio.gather(*windows)) == len(windows)


async def test_each_window_goes_where_its_model_is(make_triton: MakeTriton) -> None:
    first = await make_triton(**FOR_GOOD)
    second = await make_triton(start=False, models=["other"], **FOR_GOOD)
    add_sleeper(second.root / "models", name="other")
    await second.embedded.start()
    async with _over([first, second]) as engine:
        assert sorted(await engine.profiles()) == ["other", SLEEPER]
        await asyncio.gather(*(_window(engine, model) for model in (SLEEPER, "other", "other") * 5))
        assert _answered(engine) == {first.embedded.url: 5, second.embedded.url: 10}

        os.kill(second.embedded.pid, signal.SIGKILL)
        with pytest.raises(EngineUnavailable):
            await _window(engine, "other")
        assert sorted(await engine.profiles()) == ["other", SLEEPER]  # who has it is away, and its jobs wait
        with pytest.raises(EngineUnavailable) as raised:
            await _window(engine, "other")
        assert raised.value.absent
        assert (await _window(engine)).words


async def test_a_triton_that_leaves_finishes_what_it_has_and_its_successor_goes_on(make_triton: MakeTriton) -> None:
    tritons = [await make_triton(fixed_ms=300, **FOR_GOOD) for _ in range(2)]
    old, new = (own.embedded.url for own in tritons)
    addresses = [old]

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    discovery = Discovery(parse(["dns:///tritons:8001"]), resolve)
    engine = TritonEngine(options=QUICK)
    engine.follow(await discovery.look())
    try:
        await engine.wait_until_ready(20.0)
        windows = [asyncio.create_task(_window(engine)) for _ in range(8)]
        await eventually(lambda: engine.in_flight == 8)
        addresses[:] = [new]
        engine.follow(await discovery.look(engine.answering))
        with pytest.raises(EngineUnavailable) as raised:  # the new one has not been heard yet
            await _window(engine)
        assert raised.value.absent
        assert len(await asyncio.gather(*windows)) == 8
        await eventually(lambda: [one.url for one in engine.report()] == [new])
        await engine.wait_until_ready(20.0)
        assert (await _window(engine)).words

        engine.follow([])  # to zero, and back
        await eventually(lambda: not engine.report())
        with pytest.raises(EngineUnavailable) as raised:
            await _window(engine)
        assert raised.value.absent
        waiting = asyncio.create_task(_window(PatientEngine(engine, PatienceOptions(attempts=1))))
        engine.follow([old])
        assert (await waiting).words
    finally:
        await engine.close()


async def test_one_that_comes_back_before_it_has_left_is_kept(make_triton: MakeTriton) -> None:
    own = await make_triton(fixed_ms=200, **FOR_GOOD)
    async with _over([own]) as engine:
        target = _target(engine, own)
        window = asyncio.create_task(_window(engine))
        await eventually(lambda: engine.in_flight == 1)
        engine.follow([])
        assert not engine.answering
        engine.follow([own.embedded.url])
        assert (await window).words
        assert engine._fleet.targets == (target,)
        assert (await _window(engine)).words


async def test_a_straggler_is_answered_by_another_and_cancelled_where_it_was(make_triton: MakeTriton) -> None:
    slow, quick = [await make_triton(fixed_ms=fixed_ms, **FOR_GOOD) for fixed_ms in (1200, 5)]
    async with _over([slow, quick], hedge_ratio=0.5) as engine:
        _hold_back(engine, slow)
        for _ in range(20):
            await _window(engine)
        _hold_back(engine, quick)
        began_s = asyncio.get_running_loop().time()
        window = asyncio.create_task(_window(engine))
        await eventually(lambda: _target(engine, slow).in_flight == 1)
        _let(engine, quick)
        assert (await window).words
        assert asyncio.get_running_loop().time() - began_s < 1.0
        assert (engine.report_hedges().asked, engine.report_hedges().won) == (1, 1)
        assert (_target(engine, slow).in_flight, _answered(engine)[slow.embedded.url]) == (0, 0)


def _hold_back(engine: TritonEngine, own: OwnTriton) -> None:
    for one in engine._fleet.targets:
        one.in_flight = 1000 * (one.url == own.embedded.url)


def _let(engine: TritonEngine, own: OwnTriton) -> None:
    _target(engine, own).in_flight = 0
