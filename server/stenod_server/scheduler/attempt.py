"""One attempt at a job: what is known of it while it runs, and how it ends."""

import asyncio
from dataclasses import dataclass, field
from typing import TypeAlias

from stenod_server.domain.job import Failure, Job
from stenod_server.domain.transcript import Segment, TranscriptInfo
from stenod_server.ports import CacheKey
from stenod_server.scheduler.recorder import Recorder, StopReason


@dataclass(frozen=True, slots=True)
class Done:
    """The recording is transcribed; `rest` are the segments that are not stored yet."""

    info: TranscriptInfo
    rest: tuple[Segment, ...]
    cache: CacheKey | None = None


@dataclass(frozen=True, slots=True)
class Reused:
    """The job has got the transcript of an earlier one; it is stored."""

    job: Job


@dataclass(frozen=True, slots=True)
class Postponed:
    """What it needs is not there now, which is nobody's fault: the job waits for it, however often, and fails never."""

    cause: Failure
    delay_s: float


Outcome: TypeAlias = Done | Reused | Failure | Postponed | StopReason


@dataclass(slots=True)
class Running:
    """A claimed job. `stop` is set once, by whoever wants it to end early."""

    job: Job
    recorder: Recorder | None = None
    stop: "asyncio.Future[StopReason]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def request_stop(self, reason: StopReason) -> None:
        if not self.stop.done():
            self.stop.set_result(reason)


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended: the job as it is now (None: not ours any more), and when to try again."""

    job: Job | None
    retry_in_s: float | None = None
