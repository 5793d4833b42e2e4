"""What is to be told when jobs have ended: the outbox, and who carries its letters."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from stenod_server.domain.job import Job
from stenod_server.domain.notification import Method, Notification

FILES_INDEX = -1  # of the delivery that writes a transcript's files, which no caller asked for


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing to be told of one job that has ended, and this node's hold on it: `attempt` (from 1) fences. Without
    `notification` the transcript is to be written to files.
    """

    job: Job
    index: int
    attempt: int
    notification: Notification | None

    @property
    def host(self) -> str:
        """Whom it goes to; empty for files."""
        return self.notification.host if self.notification else ""

    @property
    def delivery_id(self) -> str:
        """The same at every attempt, so that a receiver can tell a repeat."""
        return f"{self.job.job_id}-{self.index}"


class DeliveryStore(Protocol):
    """The outbox. A delivery is stored in the transaction that accepts its job, becomes due in the one that ends it,
    and is gone once it is settled, with its secrets; what became of it stands in `Job.notices`. Any call may raise
    StoreUnavailable.
    """

    async def claim_due(
        self, node: str, *, now: datetime, until: datetime, limit: int, per_host: int, busy: Mapping[str, int]
    ) -> Sequence[Delivery]:
        """At most `limit` that are due, the longest due first, held by this node until then; whoever holds one that
        long without a word has lost it. Of a host no more than `per_host`, those `busy` already included.
        """
        ...

    async def extend(self, delivery: Delivery, *, until: datetime) -> None:
        """Hold it for longer."""
        ...

    async def delivered(self, delivery: Delivery) -> None: ...

    async def failed(self, delivery: Delivery, error: str, *, retry_at: datetime | None) -> None:
        """Due again at `retry_at`; None: given up."""
        ...

    async def hand_back(self, node: str, *, now: datetime) -> None:
        """What the node holds is due at once: it was restarted, or goes away."""
        ...


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent. `chunks` gives the same bytes each time it is called."""

    chunks: Callable[[], AsyncIterator[bytes]]
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A request to be made. `headers` may be secret."""

    url: str
    method: Method
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: Body
    timeout_s: float


class Courier(Protocol):
    """Makes requests to receivers that callers name."""

    def check(self, field: str, notification: Notification) -> None:
        """What can be refused without touching the network. Raises FetchRefused, InvalidField, LimitExceeded; fields
        are `<field>.url` and `<field>.headers`.
        """
        ...

    async def send(self, letter: Letter) -> None:
        """Returns when the receiver has answered 2xx. Redirects are not followed. Raises FetchFailed (try again; its
        `retry_after_s` is what the receiver asked for, 0: nothing), FetchRefused (an address not to be connected to).
        """
        ...

    async def close(self) -> None: ...
