import asyncio

import pytest

from stenod_server.errors import Broken
from stenod_server.scheduler.slots import Slots, SlotTable
from tests.support.eventually import settle


def _fill(table: SlotTable, waiting: list[str]) -> list[str]:
    granted = []
    while (job_id := table.next_in_line(waiting)) is not None:
        table.take(job_id)
        granted.append(job_id)
    return granted


def test_an_idle_node_lends_everything_to_one_job() -> None:
    table = SlotTable(4, elastic=True)
    assert table.reserve("a", 1)
    assert _fill(table, ["a"]) == ["a"] * 4
    assert (table.reserved, table.unused, table.elastic, table.in_use) == (1, 3, 3, 4)


def test_elastic_off_keeps_a_job_to_its_reservation() -> None:
    table = SlotTable(4, elastic=False)
    assert table.reserve("a", 2, most=4)
    assert _fill(table, ["a"]) == ["a"] * 2
    assert table.elastic == 0


def test_a_job_is_never_lent_more_than_it_may_have() -> None:
    table = SlotTable(8, elastic=True)
    assert table.reserve("a", 1, most=3)
    assert len(_fill(table, ["a"])) == 3


def test_an_engine_that_comes_back_goes_to_the_job_below_its_reservation() -> None:
    table = SlotTable(4, elastic=True)
    assert table.reserve("old", 1)
    _fill(table, ["old"])
    assert table.reserve("new", 2)
    assert table.next_in_line(["old", "new"]) is None
    for _ in range(2):
        table.give_back("old")
        assert _fill(table, ["old", "new"]) == ["new"]
    table.give_back("old")
    assert _fill(table, ["old", "new"]) == ["old"]  # both have their reservation: lent to the one with the fewest


def test_lent_engines_go_to_the_job_with_the_fewest_windows_in_flight() -> None:
    table = SlotTable(6, elastic=True)
    assert table.reserve("a", 1)
    assert table.reserve("b", 1)
    _fill(table, ["a"])
    for _ in range(5):
        table.give_back("a")
    assert _fill(table, ["a", "b"]).count("b") == 3


def test_reserved_engines_that_are_not_in_use_are_lent() -> None:
    table = SlotTable(4, elastic=True)
    assert table.reserve("decodes", 3)
    assert table.reserve("busy", 1)
    assert len(_fill(table, ["busy"])) == 4
    assert table.unused == 0


def test_more_than_is_unused_cannot_be_reserved() -> None:
    table = SlotTable(4, elastic=True)
    assert table.reserve("a", 3)
    assert not table.reserve("b", 2)
    assert not SlotTable(0, elastic=True).reserve("c", 1)
    with pytest.raises(Broken, match="twice"):
        table.reserve("a", 1)


def test_a_released_job_keeps_the_engines_of_its_last_windows_until_they_end() -> None:
    table = SlotTable(2, elastic=True)
    assert table.reserve("a", 2)
    _fill(table, ["a"])
    table.release("a")
    assert (table.reserved, table.in_use) == (0, 2)
    assert table.reserve("b", 2)
    assert table.next_in_line(["b"]) is None
    table.give_back("a")
    assert _fill(table, ["b"]) == ["b"]
    table.give_back("a")
    assert set(table.holdings) == {"b"}


def test_an_engine_cannot_be_given_back_twice() -> None:
    table = SlotTable(2, elastic=True)
    table.reserve("a", 1)
    with pytest.raises(Broken, match="twice"):
        table.give_back("a")


async def test_a_new_job_gets_its_engines_back_within_one_window() -> None:
    slots = Slots(4, elastic=True)
    slots.reserve("long", 1)
    for _ in range(4):
        await slots.acquire("long")
    slots.reserve("new", 2)
    wants = [asyncio.create_task(slots.acquire("new")) for _ in range(2)]
    more = asyncio.create_task(slots.acquire("long"))
    await settle()
    assert not any(task.done() for task in [*wants, more])
    for finished, expected in ((1, [True, False, False]), (2, [True, True, False]), (3, [True, True, True])):
        slots.give_back("long")
        await settle()
        assert [task.done() for task in [*wants, more]] == expected, finished
    assert slots.table.holdings["new"].in_flight == 2


async def test_an_engine_granted_to_a_task_cancelled_in_the_same_turn_is_not_lost() -> None:
    slots = Slots(1, elastic=True)
    slots.reserve("a", 1)
    await slots.acquire("a")
    waits = asyncio.create_task(slots.acquire("a"))
    await settle()
    slots.give_back("a")  # grants it to `waits`, which has not run yet
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    assert slots.table.in_use == 0


async def test_a_cancelled_wait_leaves_the_line() -> None:
    slots = Slots(1, elastic=True)
    slots.reserve("a", 1)
    await slots.acquire("a")
    gone, stays = (asyncio.create_task(slots.acquire("a")) for _ in range(2))
    await settle()
    gone.cancel()
    slots.give_back("a")
    await stays
    assert gone.cancelled() or gone.cancelling()
    assert slots.table.in_use == 1
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_releasing_a_job_ends_its_waits_and_refuses_new_ones() -> None:
    slots = Slots(1, elastic=True)
    slots.reserve("a", 1)
    await slots.acquire("a")
    waits = asyncio.create_task(slots.acquire("a"))
    await settle()
    slots.release("a")
    with pytest.raises(asyncio.CancelledError):
        await waits
    with pytest.raises(Broken, match="without a reservation"):
        await slots.acquire("a")
    slots.give_back("a")
    assert not slots.table.holdings
