"""What the dialects are built on: the same parts of the node that the gRPC API uses, and the settings of their own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stenod_server.domain.health import NodeHealth
from stenod_server.domain.transcript import Warning  # noqa: A004  the word the API uses
from stenod_server.scheduler.attendance import Attendance
from stenod_server.scheduler.intake import Intake
from stenod_server.scheduler.notifier import Notifier
from stenod_server.scheduler.scheduler import Scheduler


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectOptions:
    """`model_aliases`: the recogniser for a name that clients use (`*`: for any other; empty: the node's default).

    `…_fails_fast`: a job is refused unless its engines are free now, as those systems do.
    `assemblyai_punctuation`: False writes none, whatever a call says. `assemblyai_warnings`: for every job of it.
    `event_…`: where the results of jobs that events make go (empty: nowhere), and in which forms, unless a call says.
    """

    model_aliases: Mapping[str, str] = field(default_factory=lambda: {"*": ""})
    speechmatics_fails_fast: bool = True
    assemblyai_fails_fast: bool = True
    assemblyai_punctuation: bool = True
    assemblyai_warnings: tuple[Warning, ...] = ()
    guide_max_media_bytes: int = 100 * 1024 * 1024
    disconnect_grace_s: float = 30.0
    keep_alive_s: float = 15.0
    cors_origins: tuple[str, ...] = ()
    event_output: str = ""
    event_formats: tuple[str, ...] = ("json",)


@dataclass(frozen=True, slots=True)
class Services:
    """Handed to every dialect. `health` gives what the probes found last."""

    scheduler: Scheduler
    intake: Intake
    attendance: Attendance
    notifier: Notifier
    health: Callable[[], NodeHealth]
    options: DialectOptions
    default_model: str
