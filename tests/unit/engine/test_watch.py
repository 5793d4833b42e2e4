"""When a Triton counts as hung: in virtual time, with a target that was never connected to anything."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import pytest
import structlog

from stenod_server.domain.transcript import Word
from stenod_server.engine.canary import Canary
from stenod_server.engine.fake import FAKE_PROFILE, FAKE_VOICE_PROFILE
from stenod_server.engine.pace import Pace
from stenod_server.engine.target import Health, Loaded, Target
from stenod_server.engine.watch import WatchOptions, check, unless_hung, until_in_doubt, watch
from stenod_server.errors import ContractViolation, EngineUnavailable, StenodError, WindowTimeout
from stenod_server.ports import Int16Audio, VoiceProfile, WindowResult
from tests.support.eventually import eventually, settle
from tests.unit.scheduler.virtual_time import VirtualTimeLoop, run_in_virtual_time

OPTIONS = WatchOptions()


@dataclass
class _Target:
    """What the watchdog looks at."""

    in_flight: int = 1
    url: str = "host:1"
    pace: Pace = field(default_factory=lambda: Pace(lambda: asyncio.get_running_loop().time()))
    doubted: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, *, audio_s: float = 10.0, took_s: float) -> None:
        with self.pace.window(audio_s):
            await asyncio.sleep(took_s)


async def _took(work: Callable[[Any], Any], target: _Target) -> float:
    started_s = asyncio.get_running_loop().time()
    await work(cast("Target", target))
    return asyncio.get_running_loop().time() - started_s


async def _silent_check(target: Target) -> None:
    with pytest.raises(EngineUnavailable, match="hangs") as raised:
        await unless_hung(target, cast("Any", asyncio.Event().wait()), OPTIONS)
    assert raised.value.died


async def _doubt(target: Target) -> None:
    await until_in_doubt(target, OPTIONS)


def test_a_quick_triton_that_falls_silent_hangs_after_seconds() -> None:
    async def main() -> None:
        target = _Target()
        await target.answer(took_s=0.2)
        assert await _took(_doubt, target) == pytest.approx(OPTIONS.doubt_s)
        assert await _took(_silent_check, target) == pytest.approx(OPTIONS.hung_s)

    run_in_virtual_time(main())


def test_a_slow_triton_is_given_the_time_that_its_windows_take() -> None:
    async def main() -> None:
        target = _Target()
        await target.answer(took_s=6.0)
        with target.pace.window(10.0), target.pace.window(20.0):
            assert await _took(_doubt, target) == pytest.approx(18.0, abs=0.2)
            assert await _took(_silent_check, target) == pytest.approx(36.0, abs=0.6)

    run_in_virtual_time(main())


def test_one_whose_pace_is_unknown_is_given_the_time_of_the_setting() -> None:
    async def main() -> None:
        assert await _took(_silent_check, _Target()) == pytest.approx(2 * OPTIONS.canary_timeout_s, abs=0.6)

    run_in_virtual_time(main())


def test_a_canary_may_take_long_while_windows_are_answered() -> None:
    async def main() -> None:
        target = _Target()
        await target.answer(took_s=0.2)
        windows = asyncio.create_task(_answers_every(target, 5.0, times=10))
        await unless_hung(cast("Target", target), cast("Any", asyncio.sleep(50.0)), OPTIONS)
        await windows

    run_in_virtual_time(main())


def test_a_triton_without_windows_is_in_no_doubt() -> None:
    async def main() -> None:
        target = _Target(in_flight=0)
        await target.answer(took_s=0.2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_doubt(cast("Target", target)), 1000.0)
        target.doubted.set()
        assert await _took(_doubt, target) == 0.0

    run_in_virtual_time(main())


def test_time_that_the_loop_itself_was_held_up_is_not_the_silence_of_triton() -> None:
    async def main() -> None:
        target = _Target()
        await target.answer(took_s=0.2)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        loop.call_later(1.0, _hold_up, loop, 100.0)
        assert await _took(_silent_check, target) == pytest.approx(100.0 + OPTIONS.hung_s, abs=0.6)

    run_in_virtual_time(main())


def test_time_in_which_others_had_the_processors_is_not_the_silence_of_triton() -> None:
    async def main() -> None:
        target = _Target()
        await target.answer(took_s=0.2)
        with pytest.raises(EngineUnavailable, match=r"hangs: nothing was answered for 32"):
            await asyncio.wait_for(unless_hung(cast("Target", target), _no_answer(), _starving(0.75)), 1000.0)
        assert asyncio.get_running_loop().time() == pytest.approx(4 * OPTIONS.hung_s, abs=2.0)

    run_in_virtual_time(main())


def test_a_triton_whose_threads_wait_all_the_time_still_hangs() -> None:
    async def main() -> None:
        target = _Target()
        await target.answer(took_s=0.2)
        with pytest.raises(EngineUnavailable, match=r"hangs: nothing was answered for 80\.0 s") as raised:
            await asyncio.wait_for(unless_hung(cast("Target", target), _no_answer(), _starving(1.0)), 1000.0)
        assert raised.value.died
        assert asyncio.get_running_loop().time() == pytest.approx(10 * OPTIONS.hung_s, abs=1.0)

    run_in_virtual_time(main())


def test_the_loop_goes_on_while_it_is_read_how_long_threads_waited() -> None:
    async def main() -> None:
        goes_on = threading.Event()

        def waits_s() -> Mapping[int, float]:
            assert goes_on.wait(10.0)  # set by the loop alone
            return {}

        target = _CheckedTarget()
        asking = asyncio.create_task(check(cast("Target", target), {}, replace(OPTIONS, waits_s=waits_s)))
        watching = asyncio.create_task(
            unless_hung(cast("Target", target), asyncio.sleep(0.0), replace(OPTIONS, waits_s=waits_s))
        )
        asyncio.get_running_loop().call_soon(goes_on.set)
        await asyncio.gather(asking, watching)

    asyncio.run(main())  # with real threads


def test_a_thread_that_waits_now_and_then_excuses_no_silence() -> None:
    async def main() -> None:
        target = _Target()
        await target.answer(took_s=0.2)
        with pytest.raises(EngineUnavailable, match="hangs"):
            await unless_hung(cast("Target", target), _no_answer(), _starving(0.1))
        assert asyncio.get_running_loop().time() == pytest.approx(OPTIONS.hung_s / 0.9, abs=1.0)

    run_in_virtual_time(main())


@pytest.mark.parametrize(("share", "answers"), [(0.9, True), (0.1, False)])
def test_a_canary_that_found_no_processor_in_its_time_is_asked_again(share: float, answers: bool) -> None:  # noqa: FBT001
    async def main() -> None:
        target = _CheckedTarget(timeouts=3)
        asked = check(cast("Target", target), {}, _starving(share))
        if answers:
            await asked
        else:
            with pytest.raises(WindowTimeout):
                await asked

    run_in_virtual_time(main())


def test_a_canary_that_never_finds_a_processor_is_not_asked_for_ever() -> None:
    async def main() -> None:
        target = _CheckedTarget(timeouts=1000)
        with pytest.raises(WindowTimeout):
            await check(cast("Target", target), {}, _starving(1.0))
        assert asyncio.get_running_loop().time() == pytest.approx(10 * OPTIONS.canary_timeout_s)

    run_in_virtual_time(main())


@pytest.mark.parametrize(
    "problem", [ContractViolation("no embeddings"), WindowTimeout("late"), EngineUnavailable("no memory")]
)
def test_a_model_of_voices_that_fails_is_left_out_until_it_is_right_again(problem: StenodError) -> None:
    async def main() -> None:
        target = _CheckedTarget(problem_of_voices=problem)
        with structlog.testing.capture_logs() as logs:
            await _watched(target, until=lambda: target.health is not Health.UNCHECKED)
            assert target.health is Health.GOOD
            assert (target.loaded.names, target.loaded.broken, target.given_up) == (["fake"], {"voices": problem}, [])
            await check(cast("Target", target), {}, OPTIONS)
            target.problem_of_voices = None
            await check(cast("Target", target), {}, OPTIONS)
        assert (target.loaded.names, target.loaded.broken) == (["fake", "voices"], {})
        events = [log["event"] for log in logs]
        assert (events.count("voices_put_aside"), events.count("voices_ready")) == (1, 1)

    run_in_virtual_time(main())


def test_a_model_of_voices_whose_profile_cannot_be_read_is_left_out() -> None:
    async def main() -> None:
        target = _CheckedTarget(unreadable={"newer": ContractViolation("its profile")})
        await check(cast("Target", target), {}, OPTIONS)
        assert (target.loaded.names, list(target.loaded.broken)) == (["fake", "voices"], ["newer"])

    run_in_virtual_time(main())


@pytest.mark.parametrize("problem", [{"died": True}, {"absent": True}])
def test_a_triton_that_dies_of_the_voices_or_is_gone_gets_no_windows(problem: dict[str, bool]) -> None:
    async def main() -> None:
        target = _CheckedTarget(problem_of_voices=EngineUnavailable("gone", **problem))
        await _watched(target, until=lambda: target.health is not Health.UNCHECKED)
        assert target.health is Health.ASIDE
        assert not target.loaded.names

    run_in_virtual_time(main())


def test_what_a_triton_that_hears_other_words_still_works_on_is_given_up() -> None:
    async def main() -> None:
        target = _CheckedTarget()
        await _watched(target, until=lambda: target.health is Health.GOOD)
        target.hears = "something else"
        await _watched(target, until=lambda: target.health is Health.ASIDE)
        (problem,) = target.given_up
        assert isinstance(problem, ContractViolation)

    run_in_virtual_time(main())


def test_a_triton_that_answers_no_question_at_all_hangs() -> None:
    async def main() -> None:
        target = _CheckedTarget()
        target.problem_of_questions = WindowTimeout("no answer")
        await _watched(target, until=lambda: target.health is Health.ASIDE)
        (problem,) = target.given_up
        assert "hangs" in str(problem)

    run_in_virtual_time(main())


@pytest.mark.parametrize("turns", range(8))
def test_a_watch_that_is_ended_while_a_window_fails_ends(turns: int) -> None:
    async def main() -> None:
        target = _CheckedTarget()
        canaries = {"fake": Canary(np.zeros(16_000, np.int16), ("so", "it", "goes"))}
        watching = asyncio.create_task(watch(cast("Target", target), canaries, OPTIONS))
        await asyncio.sleep(1.5)  # of virtual time: its first check is over, and it waits for a doubt
        target.doubted.set()
        await settle(turns)
        watching.cancel()
        await asyncio.sleep(1.0)
        assert watching.cancelled()

    run_in_virtual_time(main())


@dataclass
class _CheckedTarget(_Target):
    """A target that can be asked."""

    health: Health = Health.UNCHECKED
    problem: StenodError | None = None
    loaded: Loaded = field(default=Loaded({}, {}))
    is_maimed: bool = False
    hears: str = "so it goes"
    problem_of_questions: StenodError | None = None
    given_up: list[StenodError] = field(default_factory=list)
    timeouts: int = 0  # of canaries, before one is answered
    problem_of_voices: StenodError | None = None
    unreadable: dict[str, StenodError] = field(default_factory=dict)

    async def is_ready(self) -> bool:
        if self.problem_of_questions is not None:
            raise self.problem_of_questions
        return True

    async def read_loaded(self) -> Loaded:
        return Loaded({"fake": FAKE_PROFILE}, {"voices": FAKE_VOICE_PROFILE}, self.unreadable)

    async def voices(self, audio: Int16Audio, profile: VoiceProfile, *, interactive: bool, timeout_s: float) -> object:
        assert (len(audio), profile, interactive) == (16_000, FAKE_VOICE_PROFILE, True)
        assert timeout_s == OPTIONS.canary_timeout_s
        if self.problem_of_voices is not None:
            raise self.problem_of_voices
        return None

    async def recognise(self, _audio: object, _request: object, *, timeout_s: float) -> WindowResult:
        assert timeout_s == OPTIONS.canary_timeout_s
        if self.timeouts:
            self.timeouts -= 1
            await asyncio.sleep(timeout_s)
            raise WindowTimeout("no answer in time")
        await self.answer(took_s=0.1)
        return WindowResult(tuple(Word(text, 0, 0, 1.0) for text in self.hears.split()), "en", 1.0, 0.0)

    def give_up(self, problem: StenodError) -> None:
        self.given_up.append(problem)


def _starving(share: float) -> WatchOptions:
    """One thread waits for a processor for that share of the time, another one waits half as long."""

    def waits_s() -> Mapping[int, float]:
        now_s = asyncio.get_running_loop().time()
        return {1: share * now_s, 2: share * now_s / 2}

    return replace(OPTIONS, waits_s=waits_s)


async def _no_answer() -> None:
    await asyncio.Event().wait()


async def _watched(target: _CheckedTarget, *, until: Callable[[], bool]) -> None:
    canaries = {"fake": Canary(np.zeros(16_000, np.int16), ("so", "it", "goes"))}
    watching = asyncio.create_task(watch(cast("Target", target), canaries, OPTIONS))
    await eventually(until)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


def _hold_up(loop: VirtualTimeLoop, seconds: float) -> None:
    loop._virtual.now_s += seconds


async def _answers_every(target: _Target, seconds: float, *, times: int) -> None:
    for _ in range(times):
        await target.answer(took_s=seconds)
