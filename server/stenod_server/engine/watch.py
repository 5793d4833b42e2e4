"""Checks one Triton again and again: ready, its profiles readable, every canary heard. The only writer of its health
beside `Target.doubt`.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from stenod_server.engine.backoff import Backoff
from stenod_server.engine.canary import Canary, check_model
from stenod_server.engine.target import CONTROL_TIMEOUT_S, Health, Target
from stenod_server.errors import EngineUnavailable, StenodError
from stenod_server.ports import Int16Audio, RecognitionRequest, WindowResult

# However many windows fail: a canary costs a recognition, and shall not crowd out the work it guards.
_MIN_GAP_S: Final = 1.0

_log = structlog.get_logger()

OnCheck = Callable[[str, StenodError | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """`interval_s` between checks of a good Triton; one that failed is tried again after a backoff between
    `retry_initial_s` and `retry_maximum_s`. `control_timeout_s` is for questions that need no recognition;
    `canary_timeout_s` is generous: a canary waits for the batch that is being worked on.
    """

    interval_s: float = 30.0
    retry_initial_s: float = 0.25
    retry_maximum_s: float = 10.0
    control_timeout_s: float = CONTROL_TIMEOUT_S
    canary_timeout_s: float = 60.0


async def check(target: Target, canaries: Mapping[str, Canary], options: WatchOptions) -> None:
    """One check. Raises EngineUnavailable, WindowTimeout, ContractViolation or another leaf that says what is wrong."""
    if not await target.is_ready():
        raise EngineUnavailable(f"Triton at {target.url} says that it is not ready", url=target.url)
    profiles = await target.read_profiles()
    if not profiles:
        raise EngineUnavailable(f"Triton at {target.url} has no recogniser loaded", url=target.url)

    async def recognise(audio: Int16Audio, request: RecognitionRequest) -> WindowResult:
        return await target.recognise(audio, request, timeout_s=options.canary_timeout_s)

    for model in profiles:
        await check_model(model, canaries.get(model), recognise)
    target.profiles = profiles


async def watch(
    target: Target, canaries: Mapping[str, Canary], options: WatchOptions, on_check: OnCheck = lambda _url, _error: None
) -> None:
    """Check for ever: at once, every `interval_s`, and soon after a window failed. Ends by cancellation only."""
    backoff = Backoff(initial_s=options.retry_initial_s, maximum_s=options.retry_maximum_s)
    while True:
        target.doubted.clear()
        problem: StenodError | None = None
        try:
            await check(target, canaries, options)
        except StenodError as error:
            problem = error
        _note(target, problem)
        on_check(target.url, problem)
        if problem is None:
            backoff.reset()
            await asyncio.sleep(min(_MIN_GAP_S, options.interval_s))
            with suppress(TimeoutError):
                await asyncio.wait_for(target.doubted.wait(), options.interval_s)
        else:
            await asyncio.sleep(backoff.next_s())


def _note(target: Target, problem: StenodError | None) -> None:
    before = target.health
    target.problem = problem
    target.health = Health.GOOD if problem is None else Health.ASIDE
    if target.health is before:
        return
    if problem is None:
        _log.info("triton_ready", url=target.url, models=sorted(target.profiles))
    else:
        _log.warning("triton_put_aside", url=target.url, reason=problem.reason, problem=problem.message)
