"""Recognition by one Triton or several: the adapter behind `ports.Engine`."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Final

from stenod_server.engine.canary import Canary
from stenod_server.engine.failures import died
from stenod_server.engine.target import Health, ModelsOf, Target, pick, recognisers_of, voices_of
from stenod_server.engine.watch import OnCheck, WatchOptions, watch
from stenod_server.errors import ContractViolation, EngineUnavailable, ModelNotFound, StenodError, Unavailable
from stenod_server.ports import Int16Audio, ModelProfile, RecognitionRequest, VoiceProfile, WindowResult, WindowVoices

_NO_CANARIES: Final[Mapping[str, Canary]] = {}
_NO_HEADERS: Final[Mapping[str, str]] = {}


class TritonEngine:
    """Sends each window to the healthy Triton with the fewest windows in flight.

    `urls` are `host:port`. `canaries` (see `canary.load_canaries`) are checked on every Triton before it gets its first
    window, every `options.interval_s` seconds and after failures; `on_check(url, problem)` is told each outcome, and
    at once of a Triton that died over a window.
    `headers` go with every call: a Triton that restricts inference, health, statistics or model-config wants
    `triton-grpc-protocol-<key>: <value>`.

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
        on_check: OnCheck = lambda _url, _problem: None,
    ) -> None:
        self._urls = tuple(urls)
        self._canaries = canaries
        self._headers = headers
        self._options = options or WatchOptions()
        self._notify = on_check
        self._watches: dict[Target, asyncio.Task[None]] = {}
        self._turns = count()
        self._checked = asyncio.Event()
        self._seen: set[tuple[ModelsOf, str]] = set()  # every model that any Triton had, and as what

    @property
    def in_flight(self) -> int:
        """Windows sent and not yet answered."""
        return sum(target.in_flight for target in self._watches)

    async def start(self) -> None:
        """Open the channels and begin to check. Idempotent; waits for nothing."""
        await self.retarget(self._urls)

    async def retarget(self, urls: Sequence[str], *, because: StenodError | None = None) -> None:
        """Use these Tritons from now on. Those that stay keep their channel; windows in flight at others fail, and
        have died of it where `because` says so.
        """
        self._urls = tuple(urls)
        gone = [target for target in self._watches if target.url not in self._urls]
        for target in gone:
            task = self._watches.pop(target)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            target.give_up(because or EngineUnavailable("it is not used any more"))
            await target.close()
        known = {target.url for target in self._watches}
        for url in dict.fromkeys(self._urls):
            if url not in known:
                target = Target(url, self._headers, control_timeout_s=self._options.control_timeout_s)
                watching = watch(target, self._canaries, self._options, self._on_check)
                self._watches[target] = asyncio.create_task(watching, name=f"watch {url}")

    async def wait_until_ready(self, timeout_s: float) -> None:
        """Return when one Triton has passed its check. Raises the last problem seen, or EngineUnavailable."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self.is_ready():
                    self._checked.clear()
                    await self._checked.wait()
        except TimeoutError as error:
            problems = [target.problem for target in self._watches if target.problem]
            raise (problems[0] if problems else EngineUnavailable("no Triton answered in time")) from error

    async def recognise(self, audio: Int16Audio, request: RecognitionRequest, *, timeout_s: float) -> WindowResult:
        """As `ports.Engine.recognise`."""
        with self._sent_to(self._pick(request.model)) as target:
            return await target.recognise(audio, request, timeout_s=timeout_s)

    async def voices(
        self, audio: Int16Audio, model: str, *, revision: str, interactive: bool, timeout_s: float
    ) -> WindowVoices:
        """As `ports.Engine.voices`."""
        with self._sent_to(self._pick_voices(model, revision)) as target:
            profile = target.loaded.voices[model]
            return await target.voices(audio, profile, interactive=interactive, timeout_s=timeout_s)

    async def voice_profiles(self) -> Mapping[str, VoiceProfile]:
        """As `ports.Engine.voice_profiles`; as read by the last check, so it costs no call. Where Tritons have several
        revisions of a model, that of the first Triton: the windows of one recording all go to one revision.
        """
        self._require_one()
        loaded = [target.loaded for target in self._healthy()]
        found = {name: profile for one in reversed(loaded) for name, profile in one.voices.items()}
        broken = [problem for one in loaded for problem in one.broken.values()]
        if broken and not found:
            raise EngineUnavailable(f"the model of voices is broken: {broken[0].message}")
        return found

    async def profiles(self) -> Mapping[str, ModelProfile]:
        """As `ports.Engine.profiles`; as read by the last check, so it costs no call."""
        self._require_one()
        merged: dict[str, ModelProfile] = {}
        for target in self._healthy():
            for name, profile in target.loaded.recognisers.items():
                known = merged.setdefault(name, profile)
                if known.revision != profile.revision:  # a window may go to either of them
                    merged[name] = replace(known, revision="")
        return merged

    async def batch_statistics(self) -> Mapping[int, int]:
        """How often each batch size was executed since the Tritons started, summed over models and Tritons.

        Canaries are in the counts. Raises EngineUnavailable, WindowTimeout.
        """
        self._require_one()
        totals: dict[int, int] = {}
        for counts in await asyncio.gather(*(target.executions_by_batch_size() for target in self._healthy())):
            for size, executions in counts.items():
                totals[size] = totals.get(size, 0) + executions
        return totals

    def is_ready(self) -> bool:
        """Whether at least one Triton with a recogniser passed its last check."""
        return any(target.loaded.recognisers for target in self._healthy())

    async def close(self) -> None:
        """Close every channel; windows in flight fail with EngineUnavailable. Idempotent."""
        await self.retarget(())

    def _healthy(self) -> list[Target]:
        return [target for target in self._watches if target.health in {Health.GOOD, Health.SUSPECT}]

    def _require_one(self) -> None:
        pick(list(self._watches), 0)

    @contextmanager
    def _sent_to(self, target: Target) -> Iterator[Target]:
        """While a window is there; what its failure says of that Triton is heeded."""
        target.in_flight += 1
        try:
            yield target
        except (Unavailable, ContractViolation) as problem:
            target.doubt(problem)
            if died(problem) and target in self._watches:
                self._notify(target.url, problem)
            raise
        finally:
            target.in_flight -= 1

    def _pick(self, model: str, *, models_of: ModelsOf = recognisers_of) -> Target:
        try:
            return pick(list(self._watches), next(self._turns), model, models_of=models_of)
        except ModelNotFound:
            if (models_of, model) not in self._seen:
                raise
            # Every Triton that had it was restarted without it: somebody may be putting it right just now.
            raise EngineUnavailable(f"no Triton has {model} any more") from None

    def _pick_voices(self, model: str, revision: str) -> Target:
        same = [target for target in self._healthy() if _revision_of_voices(target, model) == revision]
        if same:
            return pick(same, next(self._turns), model, models_of=voices_of)
        self._pick(model, models_of=voices_of)
        raise EngineUnavailable(f"no Triton has revision {revision!r} of {model} any more")

    def _on_check(self, url: str, problem: StenodError | None) -> None:
        kinds: tuple[ModelsOf, ...] = (recognisers_of, voices_of)
        self._seen.update(
            (models_of, name) for models_of in kinds for target in self._watches for name in models_of(target)
        )
        self._checked.set()
        self._notify(url, problem)


def _revision_of_voices(target: Target, model: str) -> str | None:
    profile = target.loaded.voices.get(model)
    return profile.revision if profile else None
