"""An engine that does not give a window up at the first trouble of its recogniser."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import structlog

from stenod_server.engine.backoff import Backoff
from stenod_server.errors import ContractViolation, EngineUnavailable, PoisonJob, StenodError, Unavailable
from stenod_server.ports import (
    Engine,
    Int16Audio,
    ModelProfile,
    RecognitionRequest,
    VoiceProfile,
    WindowResult,
    WindowVoices,
)
from stenod_server.recognition.quarantine import Quarantine

# The last three of these were seen alone (quarantine.py): an innocent window is convicted only if, after a death that
# it was near, a recogniser is killed by chance in each of its next four tries. At one such kill in T seconds and tries
# that take t seconds, that happens to (t/T)^4 of the windows that were in flight at a kill: with tries of 1 s to one in
# 13 million at a kill a minute. With two deaths less, kills every few seconds convicted one window in some hundred.
MAX_DEATHS: Final = 5
_MAX_VIOLATIONS: Final = 2  # wrong answers stay wrong, but another recogniser may be right

_Result = TypeVar("_Result")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class PatienceOptions:
    """`attempts` at a window that fails in passing. `poll_s` is how often a recogniser that is away is looked for."""

    attempts: int = 4
    backoff_initial_s: float = 0.25
    backoff_maximum_s: float = 5.0
    poll_s: float = 0.1


class PatientEngine:
    """Implements `ports.Engine` around another one.

    A window that failed in passing is tried again after a moment, at another recogniser where there is one, up to
    `options.attempts` times. While none is ready it waits, for as long as that takes and without using up tries.
    Windows that were in flight when their recogniser died are tried again a few at a time, in the end alone; a window
    of which it dies `MAX_DEATHS` times is poison: PoisonJob, which is final. Cancelling `recognise` ends it at once,
    wherever it waits.
    """

    def __init__(self, engine: Engine, options: PatienceOptions | None = None) -> None:
        self._engine = engine
        self._options = options or PatienceOptions()
        self._quarantine = Quarantine()
        self._closed = False

    async def recognise(self, audio: Int16Audio, request: RecognitionRequest, *, timeout_s: float) -> WindowResult:
        """As `ports.Engine.recognise`; `timeout_s` is for each try. Raises PoisonJob too."""
        return await self._patiently(lambda: self._engine.recognise(audio, request, timeout_s=timeout_s), request.model)

    async def voices(
        self, audio: Int16Audio, model: str, *, revision: str, interactive: bool, timeout_s: float
    ) -> WindowVoices:
        """As `ports.Engine.voices`; `timeout_s` is for each try. Raises PoisonJob too."""
        return await self._patiently(
            lambda: self._engine.voices(audio, model, revision=revision, interactive=interactive, timeout_s=timeout_s)
        )

    async def _patiently(self, call: Callable[[], Awaitable[_Result]], model: str = "") -> _Result:
        record = _Record(self._options)
        while True:
            await self._until_ready(model)
            try:
                async with self._quarantine.admit(record.deaths):
                    return await call()
            except (Unavailable, ContractViolation) as error:
                record.note(error)
                _log.info("window_tried_again", reason=error.reason, problem=error.message, deaths=record.deaths)
            await asyncio.sleep(record.pause_s())

    async def profiles(self) -> Mapping[str, ModelProfile]:
        return await self._engine.profiles()

    async def voice_profiles(self) -> Mapping[str, VoiceProfile]:
        return await self._engine.voice_profiles()

    async def batch_statistics(self) -> Mapping[int, int]:
        return await self._engine.batch_statistics()

    def is_ready(self, model: str = "") -> bool:
        return self._engine.is_ready(model)

    async def close(self) -> None:
        """Windows that wait fail with EngineUnavailable."""
        self._closed = True
        await self._engine.close()

    async def _until_ready(self, model: str) -> None:
        while not self._engine.is_ready(model):
            if self._closed:
                raise EngineUnavailable("the engine is closed")
            await asyncio.sleep(self._options.poll_s)


@dataclass(slots=True)
class _Record:
    """What became of the tries at one window."""

    options: PatienceOptions
    deaths: int = 0
    failures: int = 0
    violations: int = 0
    pause_s: Callable[[], float] = field(init=False)

    def __post_init__(self) -> None:
        options = self.options
        self.pause_s = Backoff(initial_s=options.backoff_initial_s, maximum_s=options.backoff_maximum_s).next_s

    def note(self, error: StenodError) -> None:
        """Count it. Raises the error when it was one too many, PoisonJob when the window is to blame."""
        match error:
            case EngineUnavailable(absent=True):
                return
            case EngineUnavailable(died=True):
                self.deaths += 1
                if self.deaths == MAX_DEATHS:
                    _log.warning("window_is_poison", problem=error.message, deaths=self.deaths)
                    raise PoisonJob("the recogniser", self.deaths) from error
            case ContractViolation():
                self.violations += 1
                if self.violations == _MAX_VIOLATIONS:
                    raise error
            case _:
                self.failures += 1
                if self.failures >= self.options.attempts:
                    raise error
