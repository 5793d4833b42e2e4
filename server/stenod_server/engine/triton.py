"""Recognition by one Triton or several: the adapter behind `ports.Engine`."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Final, TypeVar

from stenod_server.domain.audio import to_seconds
from stenod_server.engine.canary import Canary
from stenod_server.engine.choice import ModelsOf, other_than, pick, recognisers_of, voices_of
from stenod_server.engine.failures import died
from stenod_server.engine.fleet import Fleet
from stenod_server.engine.hedging import Hedging, Sized
from stenod_server.engine.target import Target
from stenod_server.engine.watch import OnCheck, WatchOptions
from stenod_server.errors import ContractViolation, EngineUnavailable, ModelNotFound, StenodError, Unavailable
from stenod_server.ports import Int16Audio, ModelProfile, RecognitionRequest, VoiceProfile, WindowResult, WindowVoices
from stenod_server.telemetry.tritons import HedgeReport, TritonReport

_NO_CANARIES: Final[Mapping[str, Canary]] = {}
_NO_HEADERS: Final[Mapping[str, str]] = {}
_MOST_REFUSALS: Final = 8  # of one window, one after the other

_Result = TypeVar("_Result")


class TritonEngine:
    """Sends each window to the healthy Triton with the fewest windows in flight.

    `urls` are `host:port`. `canaries` (see `canary.load_canaries`) are checked on every Triton before it gets its first
    window, every `options.interval_s` seconds and after failures; `on_check(url, problem)` is told each outcome, and
    at once of a Triton that died over a window.
    `headers` go with every call: a Triton that restricts inference, health, statistics or model-config wants
    `triton-grpc-protocol-<key>: <value>`. `hedge_ratio` of the windows may be asked of a second Triton.

    Use: `engine = TritonEngine([...]); await engine.start(); …; await engine.close()`. `start` opens the channels and
    returns at once; the engine may be used from then on and raises EngineUnavailable until a Triton has passed.
    For the child process of `EmbeddedTriton` use its `engine` instead: it follows restarts.
    """

    def __init__(
        self,
        urls: Sequence[str] = (),
        *,
        canaries: Mapping[str, Canary] = _NO_CANARIES,
        headers: Mapping[str, str] = _NO_HEADERS,
        options: WatchOptions | None = None,
        hedge_ratio: float = 0.0,
        on_check: OnCheck = lambda _url, _problem: None,
    ) -> None:
        self._urls = tuple(urls)
        self._notify = on_check
        self._fleet = Fleet(canaries, headers, options or WatchOptions(), on_check)
        self._hedging = Hedging(hedge_ratio)
        self._turns = count(random.randrange(2**16))  # noqa: S311  or every node would begin with the same Triton

    @property
    def in_flight(self) -> int:
        """Windows sent and not yet answered."""
        return sum(target.in_flight for target in self._fleet.targets)

    @property
    def answering(self) -> Collection[str]:
        """The Tritons that get windows."""
        return {target.url for target in self._fleet.healthy}

    async def start(self) -> None:
        """Open the channels and begin to check. Idempotent; waits for nothing."""
        await self.retarget(self._urls)

    async def retarget(self, urls: Sequence[str], *, because: StenodError | None = None) -> None:
        """Use these Tritons from now on. Those that stay keep their channel; windows in flight at others fail, and
        have died of it where `because` says so.
        """
        self._urls = tuple(urls)
        await self._fleet.set(self._urls, because=because)
        self._hedging.keep(self._fleet.targets)

    def follow(self, urls: Sequence[str]) -> None:
        """As `retarget`, but Tritons that are not named any more finish what they have."""
        self._urls = tuple(urls)
        self._fleet.follow(self._urls)
        self._hedging.keep(self._fleet.targets)

    async def wait_until_ready(self, timeout_s: float) -> None:
        """Return when one Triton has passed its check. Raises the last problem seen, or EngineUnavailable."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self.is_ready():
                    await self._fleet.until_checked()
        except TimeoutError as error:
            problems = [target.problem for target in self._fleet.targets if target.problem]
            raise (problems[0] if problems else EngineUnavailable("no Triton answered in time")) from error

    async def recognise(self, audio: Int16Audio, request: RecognitionRequest, *, timeout_s: float) -> WindowResult:
        """As `ports.Engine.recognise`."""
        window = Sized(request.model, to_seconds(len(audio)))

        async def ask(target: Target) -> WindowResult:
            with self._heeding(target):
                began_s = time.monotonic()
                result = await target.recognise(audio, request, timeout_s=timeout_s)
                self._hedging.note(target, window, time.monotonic() - began_s)
                return result

        def others(first: Target) -> Callable[[], list[Target]]:
            return lambda: other_than(self._fleet.targets, first, request.model)

        return await self._wherever(
            lambda: self._pick(request.model),
            lambda target: self._hedging.ask(ask, target, others(target), window),
        )

    async def voices(
        self, audio: Int16Audio, model: str, *, revision: str, interactive: bool, timeout_s: float
    ) -> WindowVoices:
        """As `ports.Engine.voices`."""

        async def ask(target: Target) -> WindowVoices:
            with self._heeding(target):
                profile = target.loaded.voices[model]
                return await target.voices(audio, profile, interactive=interactive, timeout_s=timeout_s)

        return await self._wherever(lambda: self._pick_voices(model, revision), ask)

    async def voice_profiles(self) -> Mapping[str, VoiceProfile]:
        """As `ports.Engine.voice_profiles`; as read by the last check, so it costs no call. Where Tritons have several
        revisions of a model, that of the first Triton: the windows of one recording all go to one revision.
        """
        self._require_one()
        loaded = [target.loaded for target in self._fleet.healthy]
        found = {name: profile for one in reversed(loaded) for name, profile in one.voices.items()}
        broken = [problem for one in loaded for problem in one.broken.values()]
        if broken and not found:
            raise EngineUnavailable(f"the model of voices is broken: {broken[0].message}")
        return found

    async def profiles(self) -> Mapping[str, ModelProfile]:
        """As `ports.Engine.profiles`; as read by the last check, so it costs no call. A model whose Tritons are all
        away is still one of them: its jobs wait.
        """
        self._require_one()
        merged: dict[str, ModelProfile] = {}
        for target in self._fleet.healthy:
            for name, profile in target.loaded.recognisers.items():
                known = merged.setdefault(name, profile)
                if known.revision != profile.revision:  # a window may go to either of them
                    merged[name] = replace(known, revision="")
        return dict(self._fleet.away()) | merged

    async def batch_statistics(self) -> Mapping[int, int]:
        """How often each batch size was executed since the Tritons started, summed over models and Tritons.

        Canaries are in the counts. Raises EngineUnavailable, WindowTimeout.
        """
        self._require_one()
        totals: dict[int, int] = {}
        for counts in await asyncio.gather(*(target.executions_by_batch_size() for target in self._fleet.healthy)):
            for size, executions in counts.items():
                totals[size] = totals.get(size, 0) + executions
        return totals

    def is_ready(self, model: str = "") -> bool:
        """As `ports.Engine.is_ready`."""
        serving = [target.loaded.recognisers for target in self._fleet.healthy]
        if not model or model not in self._fleet.away():
            return any(serving)
        return any(model in loaded for loaded in serving)

    async def close(self) -> None:
        """Close every channel; windows in flight fail with EngineUnavailable. Idempotent."""
        await self.retarget(())

    def report(self) -> Sequence[TritonReport]:
        """Of each Triton. May be called in any thread."""
        return self._fleet.report()

    def report_hedges(self) -> HedgeReport:
        """May be called in any thread."""
        return HedgeReport(asked=self._hedging.asked, won=self._hedging.won)

    def _require_one(self) -> None:
        pick(self._fleet.staying, 0)

    async def _wherever(self, choose: Callable[[], Target], ask: Callable[[Target], Awaitable[_Result]]) -> _Result:
        """Ask the Triton that is chosen, and the next one where it takes nothing any more: that costs nobody a try."""
        for _ in range(_MOST_REFUSALS):
            target = choose()
            with target.window():
                try:
                    return await ask(target)
                except EngineUnavailable as problem:
                    if not problem.absent:
                        raise
                    refusal = problem
        raise refusal

    @contextmanager
    def _heeding(self, target: Target) -> Iterator[None]:
        """What becomes of a window there says something of that Triton."""
        try:
            yield
        except (Unavailable, ContractViolation) as problem:
            target.doubt(problem)
            if died(problem) and target in self._fleet.targets:
                self._notify(target.url, problem)
            raise
        target.trust()

    def _pick(self, model: str, *, models_of: ModelsOf = recognisers_of) -> Target:
        try:
            return pick(self._fleet.staying, next(self._turns), model, models_of=models_of)
        except ModelNotFound:
            if not self._fleet.was_seen(model, models_of):
                raise
            # Every Triton that had it was restarted without it, and somebody may be putting it right just now; or they
            # left in order, and their successors are on their way, if not today then tomorrow.
            has_departed = self._fleet.has_departed(model, models_of)
            raise EngineUnavailable(f"no Triton has {model} any more", absent=has_departed) from None

    def _pick_voices(self, model: str, revision: str) -> Target:
        same = [target for target in self._fleet.healthy if _revision_of_voices(target, model) == revision]
        if same:
            return pick(same, next(self._turns), model, models_of=voices_of)
        self._pick(model, models_of=voices_of)
        raise EngineUnavailable(f"no Triton has revision {revision!r} of {model} any more")


def _revision_of_voices(target: Target, model: str) -> str | None:
    profile = target.loaded.voices.get(model)
    return profile.revision if profile else None
