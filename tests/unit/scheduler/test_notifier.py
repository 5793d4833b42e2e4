"""When a notifier tries, and how much at a time; in virtual time, over a real store in memory."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from stenod_server.domain.notification import NoticeState, Notification
from stenod_server.errors import FetchFailed, FetchRefused, StenodError, StoreUnavailable
from stenod_server.ports import Delivery, DeliveryStore
from stenod_server.scheduler.notifier import Notifier, NotifierOptions
from stenod_server.store.open import Stores, open_store
from tests.support.builders import START, make_config, make_job
from tests.unit.scheduler.virtual_time import run_in_virtual_time

HOUR_S = 3600.0


class LoopClock:
    """As late as the loop is."""

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic_s())

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()


class Anybody:
    """Implements `notifier.Receivers`."""

    def check(self, field: str, notification: Notification, tenant: str) -> None: ...


@dataclass
class Messenger:
    """Fails while there are failures left; takes `takes_s` for it."""

    failures: list[StenodError] = field(default_factory=list)
    takes_s: float = 0.0
    limit: float = 30.0
    tried_s: list[float] = field(default_factory=list)
    under_way: int = 0
    most: int = 0

    def limit_s(self, delivery: Delivery) -> float:
        del delivery
        return self.limit

    async def deliver(self, delivery: Delivery) -> None:
        del delivery
        self.tried_s.append(asyncio.get_running_loop().time())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.takes_s)
        finally:
            self.under_way -= 1
        if self.failures:
            raise self.failures.pop(0)


@dataclass
class Counted:
    """A store that counts how often it is asked, and fails where it is told to."""

    store: DeliveryStore
    asked: int = 0
    fails: int = 0

    async def claim_due(self, node: str, **how: Any) -> Sequence[Delivery]:
        self.asked += 1
        if self.fails:
            self.fails -= 1
            raise StoreUnavailable("away")
        return await self.store.claim_due(node, **how)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


@dataclass
class House:
    stores: Stores
    messenger: Messenger
    notifier: Notifier
    store: Counted

    async def end_job(self, *hosts: str) -> str:
        told = tuple(Notification(url=f"https://{host}/") for host in hosts)
        now = LoopClock().now()
        job = make_job(create_time=now, config=make_config(notifications=told))
        await self.stores.jobs.submit(job, max_queued_jobs=1000)
        await self.stores.jobs.request_cancel(job.tenant, job.job_id, now=now)
        return job.job_id

    async def states(self, job_id: str) -> list[NoticeState]:
        return [notice.state for notice in (await self.stores.jobs.get("default", job_id)).notices]


def _in_house(tmp_path: Path, messenger: Messenger, main: Callable[[House], Awaitable[None]], **options: Any) -> None:
    async def run() -> None:
        stores = await open_store(tmp_path, in_memory=True)
        store: Any = Counted(stores.deliveries)
        notifier = Notifier(store, messenger, Anybody(), LoopClock(), options=NotifierOptions(node="a", **options))
        running = asyncio.create_task(notifier.run())
        await main(House(stores, messenger, notifier, store))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await stores.close()

    run_in_virtual_time(run())


def test_the_first_repetition_is_after_some_seconds(tmp_path: Path) -> None:
    messenger = Messenger([FetchFailed("no")])

    async def main(house: House) -> None:
        job_id = await house.end_job("a.example")
        await asyncio.sleep(20)
        assert await house.states(job_id) == [NoticeState.DELIVERED]

    _in_house(tmp_path, messenger, main)
    assert 3.75 <= messenger.tried_s[1] - messenger.tried_s[0] <= 6.25 + 5


def test_repetitions_grow_to_an_hour_and_end_after_a_day(tmp_path: Path) -> None:
    messenger = Messenger([FetchFailed("no")] * 1000)

    async def main(house: House) -> None:
        job_id = await house.end_job("a.example")
        await asyncio.sleep(30 * HOUR_S)
        assert await house.states(job_id) == [NoticeState.GIVEN_UP]

    _in_house(tmp_path, messenger, main, poll_s=100.0)
    tried_s = messenger.tried_s
    gaps_s = [later - earlier for earlier, later in pairwise(tried_s)]
    assert 0.75 * HOUR_S <= max(gaps_s) <= 1.25 * HOUR_S + 100
    assert 22.5 * HOUR_S <= tried_s[-1] <= 24 * HOUR_S + 100
    assert 25 <= len(tried_s) <= 50


def test_what_a_receiver_asks_for_is_waited(tmp_path: Path) -> None:
    busy = FetchFailed("busy")
    busy.retry_after_s = 1800.0
    messenger = Messenger([busy])

    async def main(house: House) -> None:
        job_id = await house.end_job("a.example")
        await asyncio.sleep(HOUR_S)
        assert await house.states(job_id) == [NoticeState.DELIVERED]

    _in_house(tmp_path, messenger, main)
    assert messenger.tried_s[1] >= 1800.0


def test_what_is_refused_is_not_tried_again(tmp_path: Path) -> None:
    messenger = Messenger([FetchRefused("url", "is inside", setting="fetch_allow")])

    async def main(house: House) -> None:
        job_id = await house.end_job("a.example")
        await asyncio.sleep(HOUR_S)
        assert await house.states(job_id) == [NoticeState.GIVEN_UP]

    _in_house(tmp_path, messenger, main)
    assert len(messenger.tried_s) == 1


def test_one_that_breaks_takes_no_other_along(tmp_path: Path) -> None:
    class Breaking(Messenger):
        async def deliver(self, delivery: Delivery) -> None:
            if delivery.host == "broken.example":
                raise ZeroDivisionError
            await super().deliver(delivery)

    async def main(house: House) -> None:
        job_id = await house.end_job("broken.example", "a.example")
        await asyncio.sleep(10)
        assert await house.states(job_id) == [NoticeState.GIVEN_UP, NoticeState.DELIVERED]

    _in_house(tmp_path, Breaking(), main)


def test_no_more_is_under_way_than_allowed(tmp_path: Path) -> None:
    messenger = Messenger(takes_s=10.0)

    async def main(house: House) -> None:
        jobs = [await house.end_job(f"{number % 10}.example") for number in range(40)]
        await asyncio.sleep(120)
        assert {state for job_id in jobs for state in await house.states(job_id)} == {NoticeState.DELIVERED}

    _in_house(tmp_path, messenger, main, concurrency=8)
    assert messenger.most == 8


def test_the_end_of_a_job_wakes_and_without_one_it_only_looks_now_and_then(tmp_path: Path) -> None:
    messenger = Messenger()

    async def main(house: House) -> None:
        await asyncio.sleep(HOUR_S + 1)
        assert house.store.asked <= HOUR_S / 5 + 2
        await house.end_job("a.example")
        house.notifier.wake()
        await asyncio.sleep(0.01)

    _in_house(tmp_path, messenger, main)
    assert messenger.tried_s == [HOUR_S + 1]


def test_an_attempt_that_lasts_is_broken_off_before_its_hold_ends(tmp_path: Path) -> None:
    """And one that may last longer than usual is held for longer: nobody else begins it meanwhile."""
    messenger = Messenger(takes_s=5 * HOUR_S, limit=HOUR_S)

    async def main(house: House) -> None:
        await house.end_job("a.example")
        await asyncio.sleep(HOUR_S - 1)
        assert len(messenger.tried_s) == 1
        due = await house.stores.deliveries.claim_due(
            "b", now=LoopClock().now(), until=LoopClock().now(), limit=1, per_host=1, busy={}
        )
        assert not due
        await asyncio.sleep(60)
        assert messenger.under_way == 1  # the first is no more

    _in_house(tmp_path, messenger, main)
    assert len(messenger.tried_s) == 2


def test_a_store_that_is_away_for_a_while_delays_and_no_more(tmp_path: Path) -> None:
    messenger = Messenger()

    async def main(house: House) -> None:
        house.store.fails = 3
        job_id = await house.end_job("a.example")
        await asyncio.sleep(30)
        assert await house.states(job_id) == [NoticeState.DELIVERED]

    _in_house(tmp_path, messenger, main)


def test_a_host_gets_no_more_than_its_share(tmp_path: Path) -> None:
    messenger = Messenger(takes_s=100.0, limit=1000.0)

    async def main(house: House) -> None:
        for _ in range(6):
            await house.end_job("a.example")
        await asyncio.sleep(50)
        assert messenger.under_way == NotifierOptions(node="a").per_host

    _in_house(tmp_path, messenger, main)
