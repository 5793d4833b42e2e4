"""Engines of a group: its cap holds over all of its jobs, lent engines included, and leaves the others alone."""

from stenod_server.scheduler.slots import SlotTable


def _fill(table: SlotTable, waiting: list[str]) -> list[str]:
    granted = []
    while (job_id := table.next_in_line(waiting)) is not None:
        table.take(job_id)
        granted.append(job_id)
    return granted


def _table(*jobs: str, max_engines: int = 8, cap: int = 3, engines: int = 1) -> SlotTable:
    """Jobs whose name begins with `c` are of a group with that cap."""
    table = SlotTable(max_engines, elastic=True)
    for job_id in jobs:
        assert _reserve(table, job_id, engines, cap)
    return table


def _reserve(table: SlotTable, job_id: str, engines: int, cap: int) -> bool:
    is_capped = job_id.startswith("c")
    return table.reserve(job_id, engines, group="capped" if is_capped else "free", group_most=cap if is_capped else 0)


def test_what_is_lent_to_a_group_stays_within_its_cap() -> None:
    table = _table("c1", "c2")
    assert sorted(_fill(table, ["c1", "c2"])) == ["c1", "c1", "c2"]


def test_a_cap_leaves_the_other_engines_to_others() -> None:
    table = _table("c1", "c2", "f1")
    granted = _fill(table, ["c1", "c2", "f1"])
    assert (granted.count("f1"), len(granted)) == (5, 8)


def test_a_new_reservation_waits_for_a_lent_engine_of_its_group_although_others_are_free() -> None:
    table = _table("c1")
    assert _fill(table, ["c1"]) == ["c1"] * 3
    assert _reserve(table, "c2", 2, 3)
    assert table.in_use < table.max_engines
    assert _fill(table, ["c1", "c2"]) == []
    table.give_back("c1")
    assert _fill(table, ["c1", "c2"]) == ["c2"]
    table.give_back("c1")
    assert _fill(table, ["c1", "c2"]) == ["c2"]


def test_a_job_that_reserved_more_than_its_group_may_have_gets_that_and_no_more() -> None:
    table = _table("c1", engines=5)
    assert _fill(table, ["c1"]) == ["c1"] * 5
    assert table.elastic == 0


def test_what_a_group_has_reserved_is_counted_and_forgotten() -> None:
    table = _table("c1", "c2", "f1", engines=2)
    assert (table.reserved_by("capped"), table.reserved_by("free"), table.reserved_by("nobody")) == (4, 2, 0)
    table.take("c1")
    table.release("c1")
    assert table.reserved_by("capped") == 2
    table.release("c2")
    assert _reserve(table, "c3", 1, 1)
    assert _fill(table, ["c3"]) == []  # the window of a job that is over is still at work
    table.give_back("c1")
    assert _fill(table, ["c3"]) == ["c3"]
