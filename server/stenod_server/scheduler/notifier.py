"""Tells whoever is to be told that a job has ended, until it was heard or is given up.

What is due stands in the outbox, so that it outlives this process; this class takes from it and puts back. A delivery
that this node cannot settle comes back when its hold has run out, here or at another node: whoever is told may be told
twice, with the same id.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from stenod_server.domain.notification import MAX_NOTIFICATIONS, Notification
from stenod_server.domain.retry import RetryPolicy
from stenod_server.errors import FetchFailed, LimitExceeded, StenodError, Unavailable, Unforeseen
from stenod_server.ports import Clock, Delivery, DeliveryStore

HOLD_SLACK: Final = timedelta(seconds=30)  # beyond what an attempt may take: for the store, and for clocks that differ

_log = structlog.get_logger()


class Receivers(Protocol):
    """Whom callers may name."""

    def check(self, field: str, notification: Notification, tenant: str) -> None:
        """What can be refused without touching the network. Raises FetchRefused, InvalidField, LimitExceeded."""
        ...


class Messenger(Protocol):
    """Carries out a delivery."""

    def limit_s(self, delivery: Delivery) -> float:
        """What it may take."""
        ...

    async def deliver(self, delivery: Delivery) -> None:
        """Returns when it was taken. Raises StenodError; what is retryable is tried again."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifierOptions:
    """`give_up_after` counts from the end of the job."""

    node: str
    give_up_after: timedelta = timedelta(days=1)
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(first_s=5.0, factor=2.0, max_s=3600.0))
    hold: timedelta = timedelta(minutes=1)
    concurrency: int = 32
    per_host: int = 4
    poll_s: float = 5.0  # how soon what another node's jobs left behind, or a repetition, is seen to be due


class Notifier:
    """One node's. `count` gets the outcome of every attempt: `delivered`, `failed`, `given_up`."""

    def __init__(
        self,
        store: DeliveryStore,
        messenger: Messenger,
        receivers: Receivers,
        clock: Clock,
        *,
        options: NotifierOptions,
        count: Callable[[str], None] = lambda _outcome: None,
    ) -> None:
        self._store = store
        self._messenger = messenger
        self._receivers = receivers
        self._clock = clock
        self._options = options
        self._count = count
        self._woken = asyncio.Event()
        self._carried: dict[asyncio.Task[None], str] = {}  # the host of each

    def check(self, field: str, notifications: Sequence[Notification], *, tenant: str) -> None:
        """What a caller asks for; `field` is its name for one of them, with `{}` for its place. Raises LimitExceeded,
        InvalidField, FetchRefused.
        """
        if len(notifications) > MAX_NOTIFICATIONS:
            raise LimitExceeded(
                field.partition("{")[0].rstrip("[."),
                limit="notifications of a job",
                allowed=MAX_NOTIFICATIONS,
                actual=len(notifications),
            )
        for place, notification in enumerate(notifications):
            self._receivers.check(field.format(place), notification, tenant)

    def wake(self) -> None:
        """A job has ended."""
        self._woken.set()

    async def run(self) -> None:
        """Until it is cancelled; then what is under way is put back."""
        try:
            await self._hand_back()  # held by the process before this one
            while True:
                self._woken.clear()
                await self._begin_due()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._options.poll_s):
                        await self._woken.wait()
        finally:
            for task in self._carried:
                task.cancel()
            await asyncio.gather(*self._carried, return_exceptions=True)
            await self._hand_back()

    async def _hand_back(self) -> None:
        with suppress(Unavailable):  # otherwise the holds run out
            await self._store.hand_back(self._options.node, now=self._clock.now())

    async def _begin_due(self) -> None:
        room = self._options.concurrency - len(self._carried)
        if room <= 0:
            return
        now = self._clock.now()
        try:
            due = await self._store.claim_due(
                self._options.node,
                now=now,
                until=now + self._options.hold,
                limit=room,
                per_host=self._options.per_host,
                busy=Counter(self._carried.values()),
            )
        except StenodError as error:
            _log.warning("deliveries_not_read", error=error.message)
            return
        for delivery in due:
            task = asyncio.create_task(self._carry(delivery), name=f"deliver-{delivery.delivery_id}")
            self._carried[task] = delivery.host
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._carried[task]
        self.wake()  # its place is free

    async def _carry(self, delivery: Delivery) -> None:
        failure = await self._attempt(delivery)
        retry_at = self._retry_time(delivery, failure) if failure else None
        self._tell(delivery, "delivered" if failure is None else "failed" if retry_at else "given_up", failure)
        try:
            if failure is None:
                await self._store.delivered(delivery)
            else:
                await self._store.failed(delivery, failure.message, retry_at=retry_at)
        except StenodError as error:
            _log.warning("delivery_not_settled", delivery_id=delivery.delivery_id, error=error.message)

    async def _attempt(self, delivery: Delivery) -> StenodError | None:
        """What went wrong. Never longer than this node holds it."""
        limit_s = self._messenger.limit_s(delivery)
        hold = timedelta(seconds=limit_s) + HOLD_SLACK
        try:
            if hold > self._options.hold:
                await self._store.extend(delivery, until=self._clock.now() + hold)
            async with asyncio.timeout(limit_s):
                await self._messenger.deliver(delivery)
        except TimeoutError:
            return FetchFailed(f"it took more than {limit_s:g} s to write and send (setting notification_timeout_s)")
        except StenodError as error:
            return error
        except Exception:  # noqa: BLE001  a supervisor: one delivery that breaks takes no other along
            _log.exception("delivery_broke", delivery_id=delivery.delivery_id)
            return Unforeseen(delivery.delivery_id)
        return None

    def _retry_time(self, delivery: Delivery, failure: StenodError) -> datetime | None:
        """None: not again."""
        if not failure.retryable:
            return None
        delay_s = self._options.retry.delay_s(delivery.attempt, random.random())  # noqa: S311  no secret hangs on it
        if isinstance(failure, Unavailable):
            delay_s = max(delay_s, failure.retry_after_s)
        retry_at = self._clock.now() + timedelta(seconds=delay_s)
        ended = delivery.job.end_time or delivery.job.update_time
        return retry_at if retry_at <= ended + self._options.give_up_after else None

    def _tell(self, delivery: Delivery, outcome: str, failure: StenodError | None) -> None:
        self._count(outcome)
        said = _log.bind(
            job_id=delivery.job.job_id,
            to=delivery.notification.without_secrets.url if delivery.notification else "files",
            attempt=delivery.attempt,
        )
        if failure is None:
            said.info("notification_delivered")
        else:
            said.warning(f"notification_{outcome}", error=failure.message)
