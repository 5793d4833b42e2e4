"""A Triton of our own: a child process on loopback, started, watched, restarted and ended by stenod."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog

from stenod_server.engine.backoff import Backoff
from stenod_server.engine.canary import load_canaries
from stenod_server.engine.directory import TritonDirectory
from stenod_server.engine.failures import died, is_leaving
from stenod_server.engine.launcher import Launcher, Running, free_port, inherited_environment
from stenod_server.engine.triton import TritonEngine
from stenod_server.engine.tritonserver import Host, Launch, check_models, locate
from stenod_server.engine.watch import WatchOptions
from stenod_server.errors import Broken, EngineUnavailable, StenodError, TritonFailed

# One failed check may be a hiccup; two in a row are not. One that says that it died or hangs is enough.
_FAILED_CHECKS_BEFORE_RESTART: Final = 2
_FIRST_CHECKS: Final = 3  # of a new Triton, before it is given up
_TOLD_LINES: Final = 4  # of its log, in the error that says so
_STABLE_S: Final = 60.0  # a Triton that ran for so long earns a quick restart again

Progress = Callable[[str, float], None]
_log = structlog.get_logger()


class TritonState(StrEnum):
    """Where the child process is in its life."""

    STOPPED = "STOPPED"
    STARTING = "STARTING"  # no Triton yet, or its canaries were not heard yet
    READY = "READY"
    RESTARTING = "RESTARTING"  # it died, hung or gave wrong words; a new one is being started


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedSettings:
    """`data_dir`/triton is used by one process at a time. `models` are directories of `models_dir`; all are loaded.

    `start_timeout_s` covers loading and warming up; `grace_s` is what windows in flight get on `stop`. `nice` is added
    to the child's niceness, so that polls stay quick while every core recognises; 20: it runs only where nobody else
    wants to. `metrics_port` 0: Triton's own Prometheus page is off.
    """

    data_dir: Path
    models_dir: Path
    models: Sequence[str]
    start_timeout_s: float = 900.0
    grace_s: float = 10.0
    nice: int = 0
    restart_initial_s: float = 0.2
    restart_maximum_s: float = 30.0
    metrics_port: int = 0
    watch: WatchOptions = field(default=WatchOptions())


class EmbeddedTriton:
    """`await start(progress)`, use `engine` (a TritonEngine that follows restarts), `await stop()`.

    `engine` exists from the beginning and raises EngineUnavailable while no Triton is READY. `on_state` is told of
    every change of `state`, in the event loop; `wait_for` waits for one. Start it in the event loop of the main
    thread, or of a thread that lives as long as Triton shall: the child dies with that thread.
    """

    def __init__(
        self,
        settings: EmbeddedSettings,
        *,
        on_state: Callable[[TritonState], None] = lambda _state: None,
        choose_port: Callable[[], int] = free_port,
    ) -> None:
        self.settings = settings
        self._on_state = on_state
        self._choose_port = choose_port
        self._state = TritonState.STOPPED
        self._changed = asyncio.Condition()
        self._directory = TritonDirectory(settings.data_dir / "triton")
        self._checks: asyncio.Queue[StenodError | None] = asyncio.Queue()
        self._backoff = Backoff(initial_s=settings.restart_initial_s, maximum_s=settings.restart_maximum_s)
        self._running: Running | None = None
        self._launcher: Launcher | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self.engine = TritonEngine(
            canaries=load_canaries(settings.models_dir, settings.models),
            options=replace(settings.watch, waits_s=self._waits_s),
            on_check=lambda _url, problem: self._checks.put_nowait(problem),
        )

    @property
    def state(self) -> TritonState:
        return self._state

    @property
    def url(self) -> str:
        """`127.0.0.1:port`; "" while there is no Triton. It changes in the rare case that a restart finds it taken."""
        return self._running.url if self._running else ""

    @property
    def pid(self) -> int:
        """Of tritonserver; 0 while there is none."""
        return self._running.child.pid if self._running else 0

    async def start(self, progress: Progress = lambda _phase, _ratio: None) -> None:
        """Return when the canaries were heard. `progress` gets a phase and 0..1. Loading blocks nothing.

        Raises TritonFailed, whose message says what to do; then nothing is left running.
        """
        if self._state is not TritonState.STOPPED:
            return
        installation = locate(Host.here())
        check_models(self.settings.models_dir, self.settings.models)
        self._directory.claim(installation)
        self._launcher = Launcher(
            installation, self._directory, self._launch, nice=self.settings.nice, choose_port=self._choose_port
        )
        await self._enter(TritonState.STARTING)
        try:
            await self._launcher.open()
            await self._bring_up(progress)
        except BaseException:
            await self._clear_away()
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name="triton supervisor")

    async def stop(self) -> None:
        """Let windows in flight finish within `grace_s`, then end every process. Idempotent.

        A `start` still on its way is ended by cancelling its task, not by this.
        """
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
            self._supervisor = None
        # An idle Triton has nothing to finish, and would take 2 s to find that out: it is killed at once below.
        if self._running is not None and self.engine.in_flight:
            await self._running.child.stop(self.settings.grace_s)
        if self._state is not TritonState.STOPPED:
            await self._clear_away()

    async def wait_for(self, state: TritonState) -> None:
        """Return when `state` is reached, at once where it is the present one."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._state is state)

    async def _bring_up(self, progress: Progress = lambda _phase, _ratio: None) -> None:
        """Launch, let the engine at it, wait for the canaries. On any failure nothing is left running."""
        assert self._launcher is not None  # noqa: S101  for mypy: `start` made it
        settings = self.settings
        progress(f"loading {', '.join(settings.models)}", 0.1)
        inherited = inherited_environment(dict(os.environ), settings.data_dir)
        running = await self._launcher.launch(inherited, timeout_s=settings.start_timeout_s)
        self._running = running
        try:
            progress("listening to a known recording", 0.9)
            while not self._checks.empty():
                self._checks.get_nowait()
            await self.engine.retarget([running.url])
            async with asyncio.timeout(settings.start_timeout_s):
                await self._until_heard(running)
        except BaseException as error:
            await self._end_child()
            if isinstance(error, TimeoutError):
                raise TritonFailed(f"no canary was heard within {settings.start_timeout_s:g} s") from error
            raise
        progress("ready", 1.0)
        await self._enter(TritonState.READY)
        _log.info("triton_started", url=running.url, pid=running.child.pid, models=list(settings.models))

    async def _until_heard(self, running: Running) -> None:
        for left in reversed(range(_FIRST_CHECKS)):
            problem = await self._next_check(running)
            if problem is None:
                return
            if isinstance(problem, Broken) or not left:  # wrong words stay wrong
                said = list(running.child.problems)[-_TOLD_LINES:]
                raise TritonFailed("; ".join([f"Triton runs, but not as it should: {problem.message}", *said]))

    async def _next_check(self, running: Running) -> StenodError | None:
        """The outcome of the engine's next check. Raises TritonFailed when the process ends first."""
        check = asyncio.create_task(self._checks.get())
        ended = asyncio.create_task(running.child.wait())
        try:
            await asyncio.wait({check, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise TritonFailed(f"tritonserver ended with status {ended.result()}")
            return check.result()
        finally:
            check.cancel()
            ended.cancel()

    async def _supervise(self) -> None:
        while True:
            assert self._running is not None  # noqa: S101  for mypy: `_bring_up` set it
            ready_since_s = time.monotonic()
            why = await self._until_unwell(self._running)
            _log.error("triton_unwell", pid=self.pid, problem=why.message)
            await self._enter(TritonState.RESTARTING)
            await self._end_child(why)
            if time.monotonic() - ready_since_s > _STABLE_S:
                self._backoff.reset()
            await self._revive()

    async def _until_unwell(self, running: Running) -> StenodError:
        failed, is_ending = 0, False
        while True:
            try:
                problem = await self._next_check(running)
            except TritonFailed as error:
                return EngineUnavailable(error.message, died=True)
            if problem is None:
                failed = 0
                continue
            # To end it while it ends would cost the windows in flight an attempt; that it has ended is told above.
            is_ending = is_ending or is_leaving(problem)
            failed += not is_ending
            if died(problem) or failed == _FAILED_CHECKS_BEFORE_RESTART:
                return problem

    async def _revive(self) -> None:
        while True:
            await asyncio.sleep(self._backoff.next_s())
            try:
                await self._bring_up()
            except TritonFailed as error:
                _log.error("triton_restart_failed", problem=error.message)
            else:
                return

    async def _end_child(self, because: StenodError | None = None) -> None:
        await self.engine.retarget((), because=because)
        if self._running is not None:
            await self._running.child.kill()
            self._running = None
        self._directory.forget()

    async def _clear_away(self) -> None:
        await self._end_child()
        if self._launcher is not None:
            await self._launcher.close()
        self._directory.release()
        await self._enter(TritonState.STOPPED)

    def _waits_s(self) -> Mapping[int, float]:
        running = self._running  # once: this is called in a thread
        return running.child.waits_s() if running else {}

    async def _enter(self, state: TritonState) -> None:
        if state is self._state:
            return
        async with self._changed:
            self._state = state
            self._changed.notify_all()
        self._on_state(state)

    def _launch(self, server_id: str, port: int) -> Launch:
        return Launch(
            server_id=server_id,
            port=port,
            models_dir=self.settings.models_dir,
            models=tuple(self.settings.models),
            backends_dir=self._directory.backends,
            grace_s=self.settings.grace_s,
            metrics_port=self.settings.metrics_port,
        )
