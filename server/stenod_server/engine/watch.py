"""Checks one Triton again and again: ready, its profiles readable, every canary heard. A model of voices that does not
answer is left out; the recognisers beside it serve. The only writer of its health beside `Target.doubt`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from stenod_server.engine.backoff import Backoff
from stenod_server.engine.canary import SILENCE, Canary, check_model
from stenod_server.engine.failures import died, is_useless
from stenod_server.engine.target import CONTROL_TIMEOUT_S, Health, Loaded, Target
from stenod_server.errors import Broken, EngineUnavailable, StenodError, WindowTimeout
from stenod_server.ports import Int16Audio, RecognitionRequest, VoiceProfile, WindowResult, WindowVoices

# However many windows fail: a canary costs a recognition, and shall not crowd out the work it guards.
_MIN_GAP_S: Final = 1.0
_TICKS: Final = 16  # in the shortest silence that means something
# A batch of other lengths, a neighbour that takes the cores for a while: twice what one window in twenty took is no
# sign of death. What is expected comes from the Triton's own pace, so a slow model is given its time.
_PATIENCE: Final = 2.0
_STARVED_RATIO: Final = 0.5  # of a canary's time without a processor: it is asked again

_log = structlog.get_logger()

OnCheck = Callable[[str, StenodError | None], None]
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """`interval_s` between checks of a good Triton; one that failed is tried again after a backoff between
    `retry_initial_s` and `retry_maximum_s`. `control_timeout_s` is for questions that need no recognition;
    `canary_timeout_s` is generous: a canary waits for the batch that is being worked on.

    A Triton that answers no window for longer than all of those in flight should take, and no less than `doubt_s`, is
    checked; when it answers neither the canary nor any window for twice that time, and no less than `hung_s`, it hangs.
    `waits_s` says of a Triton on this machine how long each of its threads has waited for a processor: a time in which
    others had them all is no silence. It reads files, and is called in a thread. A Triton with more busy threads than
    there are cores always has one that waits, so this excuses `excuse_ratio` times the limit and no more: of a silence,
    and of a canary.
    """

    interval_s: float = 30.0
    retry_initial_s: float = 0.25
    retry_maximum_s: float = 10.0
    control_timeout_s: float = CONTROL_TIMEOUT_S
    canary_timeout_s: float = 60.0
    doubt_s: float = 2.0
    hung_s: float = 8.0
    waits_s: Callable[[], Mapping[int, float]] = dict
    excuse_ratio: float = 10.0


async def check(target: Target, canaries: Mapping[str, Canary], options: WatchOptions) -> None:
    """One check. Raises EngineUnavailable, WindowTimeout, ContractViolation or another leaf that says what is wrong."""
    if not await target.is_ready():
        raise EngineUnavailable(f"Triton at {target.url} says that it is not ready", url=target.url)
    if target.is_maimed:
        raise EngineUnavailable(
            f"a model's process at {target.url} died: that Triton must be restarted", url=target.url
        )
    loaded = await target.read_loaded()
    if not loaded.names:
        raise EngineUnavailable(f"Triton at {target.url} has no recogniser loaded", url=target.url)

    async def recognise(audio: Int16Audio, request: RecognitionRequest) -> WindowResult:
        return await _unless_starved(
            lambda: target.recognise(audio, request, timeout_s=options.canary_timeout_s), options
        )

    for model in loaded.recognisers:
        await check_model(model, canaries.get(model), recognise)
    before, target.loaded = target.loaded, await _without_broken(target, loaded, options)
    _tell_broken(target, before)


async def _without_broken(target: Target, loaded: Loaded, options: WatchOptions) -> Loaded:
    """Raises where the Triton failed, and not the model of voices alone."""
    broken = dict(loaded.broken)
    for name, profile in loaded.voices.items():
        try:
            await _unless_starved(partial(_ask_voices, target, profile, options.canary_timeout_s), options)
        except StenodError as error:
            if is_useless(error):
                raise
            broken[name] = error
    answering = {name: profile for name, profile in loaded.voices.items() if name not in broken}
    return Loaded(loaded.recognisers, answering, broken)


async def _ask_voices(target: Target, profile: VoiceProfile, timeout_s: float) -> WindowVoices:
    return await target.voices(SILENCE.audio, profile, interactive=True, timeout_s=timeout_s)


def _tell_broken(target: Target, before: Loaded) -> None:
    now = target.loaded
    for name in now.broken.keys() - before.broken.keys():
        problem = now.broken[name]
        _log.warning("voices_put_aside", url=target.url, model=name, reason=problem.reason, problem=problem.message)
    for name in before.broken.keys() & now.voices.keys():
        _log.info("voices_ready", url=target.url, model=name)


async def _unless_starved(ask: Callable[[], Awaitable[_Answer]], options: WatchOptions) -> _Answer:
    """Ask again for as long as nothing was answered in time because Triton had no processor."""
    waits = _Waits(options.waits_s)
    await waits.lap_s()
    asked = 0
    while True:
        asked += 1
        try:
            return await ask()
        except WindowTimeout:
            is_starved = await waits.lap_s() >= _STARVED_RATIO * options.canary_timeout_s
            if not is_starved or asked >= options.excuse_ratio:
                raise


async def watch(
    target: Target, canaries: Mapping[str, Canary], options: WatchOptions, on_check: OnCheck = lambda _url, _error: None
) -> None:
    """Check for ever: at once, every `interval_s`, and soon after a window failed or none was answered. Ends by
    cancellation only.
    """
    backoff = Backoff(initial_s=options.retry_initial_s, maximum_s=options.retry_maximum_s)
    while True:
        target.doubted.clear()
        problem: StenodError | None = None
        try:
            await unless_hung(target, check(target, canaries, options), options)
        except StenodError as error:
            problem = error
        _note(target, problem)
        on_check(target.url, problem)
        if problem is None:
            backoff.reset()
            await asyncio.sleep(min(_MIN_GAP_S, options.interval_s))
            with suppress(TimeoutError):
                # Not `wait_for`: until Python 3.12 it loses a cancellation that comes together with what it waits for,
                # which is what happens here when a Triton dies under a window.
                async with asyncio.timeout(options.interval_s):
                    await until_in_doubt(target, options)
        else:
            await asyncio.sleep(backoff.next_s())


async def until_in_doubt(target: Target, options: WatchOptions) -> None:
    """Return once a window has failed, or has waited for its answer for too long."""
    silence = _Silence(target, options.doubt_s, options.excuse_ratio)
    while not target.doubted.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(silence.tick_s):
                await target.doubted.wait()
        if not target.in_flight:
            silence.breaks()
        elif silence.lasts(_expected_s(target, options), waited_s=0.0):
            return


async def unless_hung(target: Target, question: Coroutine[Any, Any, None], options: WatchOptions) -> None:
    """Await the answer for as long as anything is answered. Raises EngineUnavailable that says `died` otherwise."""
    silence = _Silence(target, options.hung_s, options.excuse_ratio)
    waits = _Waits(options.waits_s)
    asked = asyncio.create_task(question, name=f"check of {target.url}")
    try:
        await waits.lap_s()
        while not (await asyncio.wait({asked}, timeout=silence.tick_s))[0]:
            waited_s = await waits.lap_s()
            if silence.lasts(_PATIENCE * _expected_s(target, options), waited_s=waited_s):
                raise _hangs(target, silence)
        asked.result()
    except WindowTimeout as error:
        if not silence.is_unbroken:
            raise
        raise _hangs(target, silence) from error
    finally:
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)


class _Waits:
    """How long Triton was kept from working: the wait of the thread that waited longest for a processor."""

    def __init__(self, read: Callable[[], Mapping[int, float]]) -> None:
        self._read = read
        self._before: Mapping[int, float] = {}

    async def lap_s(self) -> float:
        """Since the last call; 0 at the first. On a host with many processes the files take long: read in a thread."""
        now = await asyncio.to_thread(self._read)
        longest_s = max(
            (waited_s - self._before.get(thread, waited_s) for thread, waited_s in now.items()), default=0.0
        )
        self._before = now
        return longest_s


class _Silence:
    """Counts ticks without an answer. Counted, not read off a clock: a time that this process slept through itself
    (stopped, starved, its loop held up), or in which Triton had no processor, is not Triton's silence.
    """

    def __init__(self, target: Target, least_s: float, excuse_ratio: float) -> None:
        self._pace = target.pace
        self._answers = self._first = target.pace.answers
        self._least_s = least_s
        self._excuse_ratio = excuse_ratio
        self._excused_s = 0.0
        self.tick_s = least_s / _TICKS
        self.so_far_s = 0.0

    @property
    def is_unbroken(self) -> bool:
        return self._pace.answers == self._first

    def breaks(self) -> None:
        self.so_far_s = self._excused_s = 0.0

    def lasts(self, too_long_s: float, *, waited_s: float) -> bool:
        """One tick more, in which Triton had no processor for `waited_s`: whether it has been silent for too long."""
        if self._answers != self._pace.answers:
            self._answers = self._pace.answers
            self.breaks()
        else:
            self.so_far_s += self.tick_s
            self._excused_s += min(waited_s, self.tick_s)
        limit_s = max(self._least_s, too_long_s)
        return self.so_far_s - self._excused_s >= limit_s or self.so_far_s >= self._excuse_ratio * limit_s


def _hangs(target: Target, silence: _Silence) -> EngineUnavailable:
    message = f"Triton at {target.url} hangs: nothing was answered for {silence.so_far_s:.1f} s"
    return EngineUnavailable(message, died=True, url=target.url)


def _expected_s(target: Target, options: WatchOptions) -> float:
    expected_s = target.pace.expected_s()
    return options.canary_timeout_s if expected_s is None else min(expected_s, options.canary_timeout_s)


def _note(target: Target, problem: StenodError | None) -> None:
    before = target.health
    target.problem = problem
    target.health = Health.GOOD if problem is None else Health.ASIDE
    if problem is not None and (died(problem) or isinstance(problem, Broken)):
        target.give_up(problem)  # what a Triton that hears other words still says is worth nothing either
    if target.health is before:
        return
    if problem is None:
        _log.info("triton_ready", url=target.url, models=target.loaded.names)
    else:
        _log.warning("triton_put_aside", url=target.url, reason=problem.reason, problem=problem.message)
