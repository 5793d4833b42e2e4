"""The Tritons that are used: one target, with its one long-lived channel, and one watch for each."""

import asyncio
from collections.abc import Iterable, Mapping

import structlog

from stenod_server.engine.canary import Canary
from stenod_server.engine.choice import ModelsOf, recognisers_of, voices_of
from stenod_server.engine.target import Target
from stenod_server.engine.watch import OnCheck, WatchOptions, watch
from stenod_server.errors import EngineUnavailable, StenodError
from stenod_server.ports import ModelProfile
from stenod_server.telemetry.tritons import TritonReport

_KINDS: tuple[ModelsOf, ...] = (recognisers_of, voices_of)
_log = structlog.get_logger()


class Fleet:
    """Written by the event loop alone. `targets` is replaced and never changed: any thread may read it."""

    def __init__(
        self, canaries: Mapping[str, Canary], headers: Mapping[str, str], options: WatchOptions, on_check: OnCheck
    ) -> None:
        self.targets: tuple[Target, ...] = ()
        self._canaries = canaries
        self._headers = headers
        self._options = options
        self._notify = on_check
        self._watches: dict[Target, asyncio.Task[None]] = {}
        self._farewells: dict[Target, asyncio.Task[None]] = {}
        self._seen: set[tuple[ModelsOf, str]] = set()  # every model that any Triton had, and as what
        self._departed: dict[tuple[ModelsOf, str], ModelProfile | None] = {}  # of those that left
        self._checked = asyncio.Event()

    @property
    def healthy(self) -> list[Target]:
        return [target for target in self.targets if target.is_healthy]

    @property
    def staying(self) -> list[Target]:
        return [target for target in self.targets if not target.is_leaving]

    def was_seen(self, model: str, models_of: ModelsOf) -> bool:
        """Whether some Triton had it at some time."""
        return (models_of, model) in self._seen

    def has_departed(self, model: str, models_of: ModelsOf) -> bool:
        """Whether a Triton that had it left in order: another one may come with it."""
        return (models_of, model) in self._departed

    def away(self) -> Mapping[str, ModelProfile]:
        """The recognisers of Tritons that do not answer just now, or left: somebody waits for them."""
        left = {name: one for (_, name), one in self._departed.items() if one is not None}
        silent = [target.loaded.recognisers for target in self.targets if not target.is_healthy]
        return left | {name: one for loaded in silent for name, one in loaded.items()}

    async def set(self, urls: Iterable[str], *, because: StenodError | None = None) -> None:
        """Use these from now on. Those that stay keep their channel; windows in flight at others fail, and have died of
        it where `because` says so.
        """
        wanted = tuple(dict.fromkeys(urls))
        for target in [target for target in self.targets if target.url not in wanted]:
            await self._drop(target, because or EngineUnavailable("it is not used any more"))
        self._take(wanted)

    def follow(self, urls: Iterable[str]) -> None:
        """As `set`, but those that are not named any more finish what they have."""
        wanted = tuple(dict.fromkeys(urls))
        for target in self.targets:
            if target.url not in wanted and not target.is_leaving:
                _log.info("triton_leaves", url=target.url, in_flight=target.in_flight)
                self._remember(target)
                target.is_leaving = True
                self._farewells[target] = asyncio.create_task(self._see_off(target), name=f"farewell of {target.url}")
        self._take(wanted)

    async def until_checked(self) -> None:
        """Wait for the next check of any."""
        self._checked.clear()
        await self._checked.wait()

    def report(self) -> list[TritonReport]:
        return [TritonReport(one.url, one.is_healthy, one.in_flight, one.answered, one.failed) for one in self.targets]

    def _take(self, urls: tuple[str, ...]) -> None:
        by_url = {target.url: target for target in self.targets}
        for url in urls:
            known = by_url.get(url)
            if known is None:
                target = Target(url, self._headers, control_timeout_s=self._options.control_timeout_s)
                watching = watch(target, self._canaries, self._options, self._on_check)
                self._watches[target] = asyncio.create_task(watching, name=f"watch {url}")
                self.targets = (*self.targets, target)
            elif known.is_leaving:
                known.is_leaving = False
                self._farewells.pop(known).cancel()

    async def _see_off(self, target: Target) -> None:
        await target.idle.wait()
        del self._farewells[target]  # from here on it is not taken back
        await self._drop(target, EngineUnavailable("it is not used any more"))
        _log.info("triton_left", url=target.url)

    async def _drop(self, target: Target, because: StenodError) -> None:
        self.targets = tuple(one for one in self.targets if one is not target)
        farewell = self._farewells.pop(target, None)
        watching = self._watches.pop(target)
        for task in (farewell, watching):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        target.give_up(because)
        await target.close()

    def _remember(self, target: Target) -> None:
        for models_of in _KINDS:
            for name in models_of(target):
                self._departed[models_of, name] = target.loaded.recognisers.get(name)

    def _on_check(self, url: str, problem: StenodError | None) -> None:
        for target in self.targets:
            for models_of in _KINDS:
                self._seen.update((models_of, name) for name in models_of(target))
        self._checked.set()
        self._notify(url, problem)
