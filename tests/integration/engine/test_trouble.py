"""Windows outlive what happens to their Triton. Every process that is hurt here was started here."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from stenod_server.engine import processes
from stenod_server.engine.embedded import TritonState
from stenod_server.engine.triton import TritonEngine
from stenod_server.engine.watch import WatchOptions
from stenod_server.errors import EngineUnavailable, ModelNotFound, PoisonJob
from stenod_server.ports import Engine, RecognitionRequest, WindowResult
from stenod_server.recognition.patient_engine import MAX_DEATHS, PatienceOptions, PatientEngine
from tests.integration.engine.conftest import MakeTriton, OwnTriton
from tests.support.eventually import eventually
from tests.support.tcp_proxy import TcpProxy
from tests.support.triton import DEADLY_SAMPLE, SLEEPER, add_sleeper

NEVER = WatchOptions(interval_s=1000.0, doubt_s=500.0, hung_s=500.0)  # a supervisor that looks away
AGAIN = [TritonState.STARTING, TritonState.READY, TritonState.RESTARTING, TritonState.READY]
ONCE = PatienceOptions(attempts=1)


def _samples(index: int) -> int:
    return 16_000 + 16_000 * (index % 3) + index


async def _window(engine: Engine, index: int, *, first_sample: int = 0, model: str = SLEEPER) -> WindowResult:
    audio = np.zeros(_samples(index), np.int16)
    audio[0] = first_sample
    return await engine.recognise(audio, RecognitionRequest(model), timeout_s=60.0)


def _is_right(index: int, result: WindowResult) -> bool:
    expected = [f"{_samples(index)}-{second}" for second in range(_samples(index) // 16_000)]
    return [word.text for word in result.words] == expected


async def _in_flight(
    engine: TritonEngine, patient: PatientEngine, *, count: int = 12
) -> Sequence[asyncio.Task[WindowResult]]:
    """Windows that are at Triton now."""
    windows = [asyncio.create_task(_window(patient, index)) for index in range(count)]
    await eventually(lambda: engine.in_flight == count)
    return windows


async def _all_right(windows: Sequence[asyncio.Task[WindowResult]]) -> None:
    async with asyncio.timeout(60.0):
        results = await asyncio.gather(*windows)
    assert all(_is_right(index, result) for index, result in enumerate(results))


def _stub_of(own: OwnTriton, model: str = SLEEPER) -> int:
    of_model = str(own.root / "models" / model / "1")
    (stub,) = (pid for pid, command in processes.commands() if any(of_model in argument for argument in command))
    return stub


@pytest.mark.parametrize(
    ("victim", "sign"),
    [
        ("server", signal.SIGKILL),
        ("server", signal.SIGSTOP),
        ("stub", signal.SIGKILL),
        ("stub", signal.SIGSTOP),
    ],
)
async def test_windows_in_flight_outlive_their_triton(
    make_triton: MakeTriton, victim: str, sign: signal.Signals
) -> None:
    own = await make_triton(fixed_ms=200)
    windows = await _in_flight(own.embedded.engine, PatientEngine(own.embedded.engine, ONCE))
    os.kill(own.embedded.pid if victim == "server" else _stub_of(own), sign)
    await _all_right(windows)
    await eventually(lambda: own.states == AGAIN)


async def test_a_triton_that_is_told_to_end_has_the_time_for_its_windows(make_triton: MakeTriton) -> None:
    own = await make_triton(fixed_ms=1500)  # checks fail meanwhile, more often than those of a Triton that is well
    windows = await _in_flight(own.embedded.engine, PatientEngine(own.embedded.engine, ONCE))
    os.kill(own.embedded.pid, signal.SIGTERM)
    await _all_right(windows)
    await eventually(lambda: own.states == AGAIN)


@pytest.mark.parametrize("victim", ["server", "second"])
async def test_windows_of_all_models_outlive_the_process_of_one(make_triton: MakeTriton, victim: str) -> None:
    models = [SLEEPER, "second", "third"]
    own = await make_triton(start=False, fixed_ms=200, models=models)
    for name in models[1:]:
        add_sleeper(own.root / "models", name=name, fixed_ms=50)
    await own.embedded.start()
    server_id, engine = own.server_id, own.embedded.engine
    patient = PatientEngine(engine, ONCE)
    windows = [asyncio.create_task(_window(patient, index, model=models[index % 3])) for index in range(12)]
    await eventually(lambda: engine.in_flight == len(windows))
    os.kill(own.embedded.pid if victim == "server" else _stub_of(own, victim), signal.SIGKILL)
    await _all_right(windows)
    await eventually(lambda: own.states == AGAIN)
    assert list(Path("/dev/shm").glob(f"{server_id}*")) == []
    assert len(own.processes()) == 1 + len(models)


@asynccontextmanager
async def _engine(urls: Sequence[str], **watching: float) -> AsyncIterator[TritonEngine]:
    """As over external Tritons: nobody restarts these."""
    quick = WatchOptions(interval_s=0.5, retry_initial_s=0.05, retry_maximum_s=0.2, control_timeout_s=1.0)
    patience: Any = {"doubt_s": 0.5, "hung_s": 2.0} | watching
    engine = TritonEngine(urls, options=replace(quick, **patience))
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


def _good(engine: TritonEngine) -> set[str]:
    return set(engine.answering)


Hurt = Callable[[OwnTriton, TcpProxy], Awaitable[None]]


async def _kill(own: OwnTriton, _proxy: TcpProxy) -> None:
    os.kill(own.embedded.pid, signal.SIGKILL)


async def _stop(own: OwnTriton, _proxy: TcpProxy) -> None:
    os.kill(own.embedded.pid, signal.SIGSTOP)


async def _silence(_own: OwnTriton, proxy: TcpProxy) -> None:
    proxy.quiet = True


@pytest.mark.parametrize("hurt", [_kill, _stop, _silence])
async def test_one_of_two_tritons_is_enough(make_triton: MakeTriton, hurt: Hurt) -> None:
    for_good = {"watch": NEVER, "restart_initial_s": 1000.0, "restart_maximum_s": 1000.0, "fixed_ms": 200}
    first, second = [await make_triton(**for_good) for _ in range(2)]
    async with TcpProxy(first.embedded.url) as proxy, _engine([proxy.url, second.embedded.url]) as engine:
        await eventually(lambda: len(_good(engine)) == 2)
        windows = await _in_flight(engine, PatientEngine(engine, ONCE))
        await hurt(first, proxy)
        await _all_right(windows)
        assert _good(engine) == {second.embedded.url}
        if proxy.quiet:
            proxy.quiet = False
            await eventually(lambda: len(_good(engine)) == 2)  # taken back, for its canary is heard


async def test_an_endpoint_that_only_accepts_connections_gets_no_window(make_triton: MakeTriton) -> None:
    own = await make_triton()
    async with TcpProxy(own.embedded.url) as proxy:
        proxy.quiet = True
        async with _engine([proxy.url, own.embedded.url]) as engine:
            await engine.wait_until_ready(20.0)
            await asyncio.gather(*(_window(engine, index) for index in range(16)))
            assert _good(engine) == {own.embedded.url}


async def test_a_triton_whose_canary_turns_wrong_answers_no_job_until_it_is_right_again(
    make_triton: MakeTriton,
) -> None:
    own = await make_triton(fixed_ms=200)
    engine = own.embedded.engine
    (own.marks / "wrong").touch()
    await eventually(lambda: not engine.is_ready())
    windows = [asyncio.create_task(_window(PatientEngine(engine, ONCE), index)) for index in range(8)]
    await eventually(
        lambda: own.states.count(TritonState.RESTARTING) == 1, timeout_s=40.0
    )  # it is tried with a new one, in vain
    (own.marks / "wrong").unlink()
    await _all_right(windows)


async def test_a_poison_window_is_convicted_and_every_other_succeeds(make_triton: MakeTriton) -> None:
    own = await make_triton(fixed_ms=50)
    patient = PatientEngine(own.embedded.engine, ONCE)
    poison = asyncio.create_task(_window(patient, 0, first_sample=DEADLY_SAMPLE))
    windows = [asyncio.create_task(_window(patient, index)) for index in range(12)]
    with pytest.raises(PoisonJob, match=f"the recogniser died {MAX_DEATHS} times"):
        await poison
    await _all_right(windows)
    await eventually(lambda: own.states[-1] is TritonState.READY)
    assert own.states.count(TritonState.RESTARTING) == MAX_DEATHS


async def test_a_triton_that_lost_a_stub_is_not_used_before_it_was_restarted(make_triton: MakeTriton) -> None:
    own = await make_triton(watch=NEVER)
    async with _engine([own.embedded.url]) as engine:
        await engine.wait_until_ready(20.0)
        os.kill(_stub_of(own), signal.SIGKILL)
        with pytest.raises(EngineUnavailable) as raised:
            await _window(engine, 0)
        assert raised.value.died
        await eventually(lambda: "must be restarted" in str(next(iter(engine._fleet.targets)).problem))
        assert not engine.is_ready()
        os.kill(own.embedded.pid, signal.SIGKILL)  # its supervisor sees that
        await engine.wait_until_ready(20.0)
        assert _is_right(0, await _window(engine, 0))


async def _each(tritons: Sequence[OwnTriton], method: str, message: object) -> None:
    for own in tritons:
        async with grpc.aio.insecure_channel(own.embedded.url) as channel:
            await getattr(service_pb2_grpc.GRPCInferenceServiceStub(channel), method)(message)


async def test_windows_go_where_their_model_is_and_wait_for_it_where_it_was(make_triton: MakeTriton) -> None:
    tritons = [await make_triton(start=False, watch=NEVER, models=[SLEEPER, "other"]) for _ in range(2)]
    for own in tritons:
        add_sleeper(own.root / "models", name="other")
        await own.embedded.start()
    unload = service_pb2.RepositoryModelUnloadRequest(model_name=SLEEPER)
    load = service_pb2.RepositoryModelLoadRequest(model_name=SLEEPER)
    async with _engine([own.embedded.url for own in tritons], interval_s=0.05) as engine:
        await eventually(lambda: len(_good(engine)) == 2)
        await _each(tritons[:1], "RepositoryModelUnload", unload)
        await eventually(
            lambda: {SLEEPER in target.loaded.recognisers for target in engine._fleet.targets} == {True, False}
        )
        await asyncio.gather(*(_window(engine, index) for index in range(8)))
        assert len(_good(engine)) == 2

        await _each(tritons[1:], "RepositoryModelUnload", unload)
        await eventually(lambda: not any(SLEEPER in target.loaded.recognisers for target in engine._fleet.targets))
        with pytest.raises(EngineUnavailable, match="no Triton has sleeper any more"):
            await _window(engine, 0)
        with pytest.raises(ModelNotFound):
            await engine.recognise(np.zeros(9, np.int16), RecognitionRequest("nobody"), timeout_s=20.0)
        window = asyncio.create_task(_window(PatientEngine(engine, PatienceOptions(attempts=50)), 0))
        await _each(tritons, "RepositoryModelLoad", load)
        await _all_right([window])


async def test_a_slow_start_is_waited_for(make_triton: MakeTriton) -> None:
    """A restart that takes longer than everything the watchdog knows is no reason for another one."""
    own = await make_triton()
    model = own.root / "models" / SLEEPER / "1" / "model.py"
    model.write_text("import time\ntime.sleep(2.5)\n" + model.read_text())
    os.kill(own.embedded.pid, signal.SIGKILL)
    window = asyncio.create_task(_window(PatientEngine(own.embedded.engine, ONCE), 0))
    await _all_right([window])
    assert own.states.count(TritonState.RESTARTING) == 1
