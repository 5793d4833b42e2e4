"""One engine over one Triton or two: cancellation, balance, failure of one, batching."""

import asyncio

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from stenod_server.engine.embedded import EmbeddedTriton
from stenod_server.engine.triton import TritonEngine
from stenod_server.engine.watch import WatchOptions
from stenod_server.errors import ContractViolation, EngineUnavailable, StenodError
from tests.integration.engine.conftest import MakeTriton, recognise, statistics_when, windows_in
from tests.support.eventually import eventually
from tests.support.triton import SLEEPER, SLEEPER_VOICES, add_sleeper_voices

QUICK = WatchOptions(interval_s=0.5, retry_initial_s=0.05, retry_maximum_s=0.2, control_timeout_s=1.0)


async def test_a_cancelled_window_is_cancelled_inside_triton(make_triton: MakeTriton) -> None:
    own = await make_triton()
    window = asyncio.create_task(recognise(own.embedded.engine, language="x-wait"))
    await eventually((own.marks / "waiting").exists)
    window.cancel()
    await asyncio.gather(window, return_exceptions=True)
    assert window.cancelled()
    await eventually((own.marks / "cancelled").exists)
    assert own.embedded.engine.in_flight == 0


async def test_windows_sent_together_are_batched(make_triton: MakeTriton) -> None:
    own = await make_triton()
    await asyncio.gather(*(recognise(own.embedded.engine, seconds=n % 3 + 1) for n in range(16)))
    counts = await statistics_when(own.embedded.engine, lambda counts: windows_in(counts) > 16)  # and the canary
    assert max(counts) == 4


@pytest.mark.parametrize("language", ["x-unordered", "x-short"])
async def test_an_answer_beside_the_contract_is_refused(sleeper_triton: EmbeddedTriton, language: str) -> None:
    with pytest.raises(ContractViolation):
        await recognise(sleeper_triton.engine, seconds=3, language=language)


async def test_a_failure_of_the_recogniser_is_passing(sleeper_triton: EmbeddedTriton) -> None:
    with pytest.raises(EngineUnavailable, match="the recogniser failed"):
        await recognise(sleeper_triton.engine, language="x-internal")


async def test_a_model_that_went_away_is_passing_and_comes_back(make_triton: MakeTriton) -> None:
    own = await make_triton(watch=WatchOptions(retry_initial_s=0.05))
    async with grpc.aio.insecure_channel(own.embedded.url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        unload = service_pb2.RepositoryModelUnloadRequest(model_name=SLEEPER)
        await stub.RepositoryModelUnload(unload)
    with pytest.raises(EngineUnavailable, match="does not have sleeper any more"):
        await recognise(own.embedded.engine)
    await eventually(lambda: len(own.states) == 4)
    await recognise(own.embedded.engine)


async def test_two_tritons_share_the_windows(make_triton: MakeTriton) -> None:
    tritons = [await make_triton(), await make_triton()]
    outcomes: list[tuple[str, StenodError | None]] = []
    engine = TritonEngine(
        [own.embedded.url for own in tritons],
        options=QUICK,
        on_check=lambda url, problem: outcomes.append((url, problem)),
    )
    await engine.start()
    try:
        await eventually(lambda: {url for url, _ in outcomes} == {own.embedded.url for own in tritons})
        before = [windows_in(await own.embedded.engine.batch_statistics()) for own in tritons]
        await asyncio.gather(*(recognise(engine, language="de") for _ in range(32)))
        await statistics_when(engine, lambda counts: windows_in(counts) >= sum(before) + 32)
        after = [windows_in(await own.embedded.engine.batch_statistics()) for own in tritons]
        assert min(done - had for done, had in zip(after, before, strict=True)) >= 12
    finally:
        await engine.close()


async def test_an_engine_without_triton_says_so_and_finds_it_later(make_triton: MakeTriton) -> None:
    own = await make_triton(start=False)
    engine = TritonEngine(["127.0.0.1:9"], options=QUICK)
    await engine.start()
    try:
        with pytest.raises(EngineUnavailable):
            await engine.wait_until_ready(1.0)
        with pytest.raises(EngineUnavailable, match=r"127\.0\.0\.1:9"):
            await recognise(engine)
        await own.embedded.start()
        await engine.retarget([own.embedded.url])
        await engine.wait_until_ready(20.0)
        await recognise(engine)
    finally:
        await engine.close()


async def test_closing_ends_the_windows_in_flight(sleeper_triton: EmbeddedTriton) -> None:
    engine = TritonEngine([sleeper_triton.url])
    await engine.start()
    await engine.wait_until_ready(20.0)
    window = asyncio.create_task(recognise(engine, language="x-wait"))
    await eventually(lambda: engine.in_flight == 1)
    await engine.close()
    await eventually(window.done)
    assert isinstance(window.exception(), EngineUnavailable)


async def test_a_model_of_voices_that_breaks_costs_no_recognition(make_triton: MakeTriton) -> None:
    own = await make_triton(start=False, models=[SLEEPER, SLEEPER_VOICES])
    models_dir = own.root / "models"
    add_sleeper_voices(models_dir)
    wrong = models_dir / SLEEPER_VOICES / "wrong"
    wrong.touch()
    await own.embedded.start()
    engine = own.embedded.engine
    assert engine.is_ready()
    assert (await recognise(engine)).words
    with pytest.raises(EngineUnavailable, match=f"{SLEEPER_VOICES}"):
        await engine.voice_profiles()
    wrong.unlink()  # the next check finds it
    await eventually(lambda: any(SLEEPER_VOICES in target.loaded.voices for target in engine._fleet.targets))
    assert (await engine.voice_profiles())[SLEEPER_VOICES].revision == "1"
    audio = np.full(16_000, 3, np.int16)
    heard = await engine.voices(audio, SLEEPER_VOICES, revision="1", interactive=False, timeout_s=20)
    assert len(heard.voices) == 1
    wrong.touch()
    with pytest.raises(ContractViolation):
        await engine.voices(audio, SLEEPER_VOICES, revision="1", interactive=False, timeout_s=20)
    await eventually(lambda: all(SLEEPER_VOICES in target.loaded.broken for target in engine._fleet.targets))
    assert (await recognise(engine)).words
    with pytest.raises(EngineUnavailable):  # it was there: the window is tried again
        await engine.voices(audio, SLEEPER_VOICES, revision="1", interactive=False, timeout_s=20)
