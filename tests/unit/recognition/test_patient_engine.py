"""A window's tries, in virtual time: against FakeEngine, and against one that dies of what it hears."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from stenod_server.engine.fake import FakeEngine
from stenod_server.errors import (
    ContractViolation,
    EngineUnavailable,
    InvalidField,
    ModelNotFound,
    PoisonJob,
    StenodError,
    WindowTimeout,
)
from stenod_server.ports import Int16Audio, RecognitionRequest, WindowResult
from stenod_server.recognition.patient_engine import MAX_DEATHS, PatienceOptions, PatientEngine
from tests.support.eventually import eventually
from tests.unit.scheduler.virtual_time import run_in_virtual_time

REQUEST = RecognitionRequest("fake")
SECOND = np.zeros(16_000, np.int16)
POISON = np.full(16_000, 7, np.int16)
RESTART_S = 3.0


class MortalEngine(FakeEngine):
    """Dies halfway through a poisonous window, and with it every window it was working on; back after `RESTART_S`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(fixed_delay_s=1.0, **options)
        self.deaths = 0
        self.beside_poison: list[int] = []
        self._death = asyncio.Event()

    async def recognise(self, audio: Int16Audio, request: RecognitionRequest, *, timeout_s: float) -> WindowResult:
        if not self.ready:
            raise EngineUnavailable("it is away", absent=True)
        work = asyncio.ensure_future(super().recognise(audio, request, timeout_s=timeout_s))
        death = asyncio.ensure_future(self._death.wait())
        if audio[:1] == POISON[0]:
            asyncio.get_running_loop().call_later(0.5, self.die)
        try:
            await asyncio.wait({work, death}, return_when=asyncio.FIRST_COMPLETED)
            if death.done():
                raise EngineUnavailable("it fell over", died=True)
            return work.result()
        finally:
            work.cancel()
            death.cancel()
            await asyncio.gather(work, death, return_exceptions=True)

    def die(self) -> None:
        if self.ready:
            self.ready = False
            self.deaths += 1
            self.beside_poison.append(self.in_flight - 1)
            self._death.set()
            asyncio.get_running_loop().call_later(RESTART_S, self._come_back)

    def _come_back(self) -> None:
        self._death = asyncio.Event()
        self.ready = True


async def _recognise(engine: PatientEngine, audio: Int16Audio = SECOND) -> WindowResult:
    return await engine.recognise(audio, REQUEST, timeout_s=20.0)


def _tries(failures: Sequence[Exception], *, attempts: int = 4) -> tuple[int, BaseException | None, float]:
    """How often the engine was asked, what came of it, and after how long."""

    async def main() -> tuple[int, BaseException | None, float]:
        fake = FakeEngine(failures=failures)
        (outcome,) = await asyncio.gather(
            _recognise(PatientEngine(fake, PatienceOptions(attempts=attempts))), return_exceptions=True
        )
        problem = outcome if isinstance(outcome, BaseException) else None
        return len(fake.requests), problem, asyncio.get_running_loop().time()

    return run_in_virtual_time(main())


PASSING = [EngineUnavailable("no"), WindowTimeout("late")]


@pytest.mark.parametrize("error", PASSING)
def test_a_passing_failure_is_tried_again(error: StenodError) -> None:
    tries, problem, took_s = _tries([error] * 3)
    assert (tries, problem) == (4, None)
    assert 0.25 / 2 + 0.5 / 2 + 1.0 / 2 <= took_s <= 0.25 + 0.5 + 1.0


@pytest.mark.parametrize("error", PASSING)
def test_tries_are_bounded(error: StenodError) -> None:
    assert _tries([error] * 9)[:2] == (4, error)
    assert _tries([error] * 9, attempts=1)[:2] == (1, error)


@pytest.mark.parametrize("error", [ModelNotFound("x"), InvalidField("window", "odd")])
def test_what_is_wrong_with_the_window_itself_is_not_tried_again(error: StenodError) -> None:
    assert _tries([error])[:2] == (1, error)


def test_a_wrong_answer_is_asked_for_once_more() -> None:
    error = ContractViolation("nonsense")
    assert _tries([error])[:2] == (2, None)
    assert _tries([error] * 2)[:2] == (2, error)


def test_an_engine_that_was_not_even_asked_costs_no_try() -> None:
    assert _tries([EngineUnavailable("none", absent=True)] * 50)[:2] == (51, None)


def test_a_window_waits_for_its_recogniser_for_as_long_as_it_takes() -> None:
    async def main() -> None:
        fake = FakeEngine()
        fake.ready = False
        window = asyncio.create_task(_recognise(PatientEngine(fake, PatienceOptions(attempts=1))))
        await asyncio.sleep(600.0)
        assert fake.requests == []
        fake.ready = True
        assert len((await window).words) == 1

    run_in_virtual_time(main())


def test_cancelling_ends_every_wait_at_once() -> None:
    async def main() -> None:
        mortal = MortalEngine()
        engine = PatientEngine(mortal, PatienceOptions(backoff_initial_s=1000.0, backoff_maximum_s=1000.0))
        backing_off = asyncio.create_task(_recognise(engine, POISON))
        await asyncio.sleep(1.0)
        waiting = asyncio.create_task(_recognise(engine))
        await asyncio.sleep(1.0)
        for task in (backing_off, waiting):
            before_s = asyncio.get_running_loop().time()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled()
            assert asyncio.get_running_loop().time() == before_s

    run_in_virtual_time(main())


def test_a_window_that_waits_fails_when_the_engine_is_closed() -> None:
    async def main() -> None:
        fake = FakeEngine()
        fake.ready = False
        engine = PatientEngine(fake)
        window = asyncio.create_task(_recognise(engine))
        await asyncio.sleep(1.0)
        await engine.close()
        with pytest.raises(EngineUnavailable, match="closed"):
            await window

    run_in_virtual_time(main())


def test_a_poison_window_is_convicted_after_some_deaths_and_all_others_succeed() -> None:
    async def main() -> None:
        mortal = MortalEngine()
        engine = PatientEngine(mortal)
        windows = [asyncio.create_task(_recognise(engine)) for _ in range(20)]
        poison = asyncio.create_task(_recognise(engine, POISON))
        fresh = [asyncio.create_task(_after(engine, start_s)) for start_s in range(0, 20, 2)]
        with pytest.raises(PoisonJob, match=f"the recogniser died {MAX_DEATHS} times"):
            await poison
        for result in await asyncio.gather(*windows, *fresh):
            assert len(result.words) == 1
        assert mortal.deaths == MAX_DEATHS
        assert mortal.beside_poison[0] >= 20
        assert mortal.beside_poison[-1] == 0  # convicted on what it did alone

    run_in_virtual_time(main())


def test_two_poison_windows_are_both_convicted_and_nobody_else() -> None:
    async def main() -> None:
        mortal = MortalEngine()
        engine = PatientEngine(mortal)
        audios = [POISON if index in {3, 7} else SECOND for index in range(12)]
        outcomes = await asyncio.gather(*(_recognise(engine, audio) for audio in audios), return_exceptions=True)
        assert [index for index, outcome in enumerate(outcomes) if isinstance(outcome, PoisonJob)] == [3, 7]
        assert [outcome for outcome in outcomes if isinstance(outcome, BaseException)] == [outcomes[3], outcomes[7]]
        assert mortal.deaths <= 2 * MAX_DEATHS

    run_in_virtual_time(main())


def test_windows_that_were_there_at_four_chance_deaths_are_not_convicted() -> None:
    async def main() -> None:
        mortal = MortalEngine()
        engine = PatientEngine(mortal)
        windows = [asyncio.create_task(_recognise(engine)) for _ in range(16)]
        for deaths in (1, 2, 3, 4):
            await asyncio.sleep(0.5)
            mortal.die()
            await eventually(lambda: mortal.ready and mortal.in_flight > 0)
            assert mortal.deaths == deaths
        assert all(len(result.words) == 1 for result in await asyncio.gather(*windows))

    run_in_virtual_time(main())


def test_suspects_come_few_at_a_time() -> None:
    async def main() -> None:
        mortal = MortalEngine()
        engine = PatientEngine(mortal)
        windows = [asyncio.create_task(_recognise(engine)) for _ in range(32)]
        await asyncio.sleep(0.5)
        mortal.die()
        mortal.max_in_flight = 0
        await asyncio.gather(*windows)
        assert mortal.max_in_flight == 8

    run_in_virtual_time(main())


async def _after(engine: PatientEngine, start_s: float) -> WindowResult:
    await asyncio.sleep(start_s)
    return await _recognise(engine)
