"""One writer, several readers, one commit for what waits together."""

import asyncio
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from stenod_server.errors import Broken, QueueFull, StoreUnavailable
from stenod_server.store.sqlite import SqliteDatabase, open_sqlite
from tests.support.eventually import eventually

_notes = sa.Table("notes", sa.MetaData(), sa.Column("text", sa.Text, sa.CheckConstraint("text <> ''")))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    opened = await open_sqlite(tmp_path / "stenod.db", _notes.metadata.create_all, lock_timeout_s=0.0)
    yield opened
    await opened.close()


def _note(text: str) -> Callable[[sa.Connection], str]:
    def operation(connection: sa.Connection) -> str:
        connection.execute(sa.insert(_notes).values(text=text))
        return text

    return operation


def _notes_there(connection: sa.Connection) -> list[str]:
    return list(connection.execute(sa.select(_notes.c.text)).scalars())


async def _gate(database: SqliteDatabase) -> tuple[threading.Event, asyncio.Task[bool]]:
    """Holds the writer, so that what is written next waits together."""
    started, opened = threading.Event(), threading.Event()

    def wait(connection: sa.Connection) -> bool:
        del connection
        started.set()
        return opened.wait(10)

    task = asyncio.create_task(database.write(wait))
    await eventually(started.is_set)
    return opened, task


async def test_what_waits_together_is_committed_together(database: SqliteDatabase) -> None:
    commits: list[object] = []
    sa.event.listen(database._write_engine, "commit", commits.append)
    opened, gate = await _gate(database)
    writes = [asyncio.create_task(database.write(_note(str(number)))) for number in range(20)]
    await asyncio.sleep(0)
    opened.set()
    assert await asyncio.gather(gate, *writes) == [True, *(str(number) for number in range(20))]
    assert len(commits) == 2  # the gate's, and one for the twenty
    assert len(await database.read(_notes_there)) == 20


async def test_a_refused_operation_takes_no_other_with_it(database: SqliteDatabase) -> None:
    def refused(connection: sa.Connection) -> None:
        _note("half done")(connection)
        raise QueueFull(7)

    opened, gate = await _gate(database)
    writes = [asyncio.create_task(database.write(o)) for o in (_note("a"), refused, _note(""), _note("b"))]
    await asyncio.sleep(0)
    opened.set()
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    await gate
    assert [type(outcome) for outcome in outcomes] == [str, QueueFull, Broken, str]
    assert await database.read(_notes_there) == ["a", "b"]


async def test_a_caller_that_goes_away_stops_nobody(database: SqliteDatabase) -> None:
    opened, gate = await _gate(database)
    gone, stays = [asyncio.create_task(database.write(_note(text))) for text in ("gone", "stays")]
    await asyncio.sleep(0)
    gone.cancel()
    opened.set()
    await asyncio.gather(gate, stays)
    assert await database.read(_notes_there) == ["stays"]


async def test_closing_waits_for_the_writes_under_way(tmp_path: Path) -> None:
    database = await open_sqlite(tmp_path / "stenod.db", _notes.metadata.create_all)
    write = asyncio.create_task(database.write(_note("last")))
    await asyncio.sleep(0)
    await database.close()
    assert await write == "last"


async def test_readers_do_not_wait_for_the_writer(database: SqliteDatabase) -> None:
    await database.write(_note("a"))
    opened, gate = await _gate(database)
    assert await database.read(_notes_there) == ["a"]
    opened.set()
    await gate


async def test_a_database_locked_by_another_process_is_unavailable_and_then_not(
    database: SqliteDatabase, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "stenod.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked") as caught:
        await database.write(_note("refused"))
    assert isinstance(caught.value.__cause__, sa.exc.OperationalError)
    other.execute("ROLLBACK")
    other.close()
    await database.write(_note("a"))
    assert await database.read(_notes_there) == ["a"]


async def test_a_new_file_that_another_node_is_opening_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "stenod.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # the lock that SQLite takes to change the journal's mode
    with pytest.raises(StoreUnavailable, match="locked"):
        await open_sqlite(path, _notes.metadata.create_all, lock_timeout_s=0.0)
    opening = asyncio.create_task(open_sqlite(path, _notes.metadata.create_all))
    await asyncio.sleep(0.1)
    assert not opening.done()
    other.execute("COMMIT")
    other.close()
    database = await opening
    await database.write(_note("a"))
    assert await database.read(_notes_there) == ["a"]
    await database.close()


async def test_a_full_disk_is_unavailable_and_loses_nothing_that_was_kept(database: SqliteDatabase) -> None:
    await database.write(_note("kept"))
    pages = await database.write(lambda connection: connection.exec_driver_sql("PRAGMA page_count").scalar_one())
    await database.write(lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}"))
    opened, gate = await _gate(database)
    writes = [asyncio.create_task(database.write(_note("x" * size))) for size in (10, 100_000, 10)]
    await asyncio.sleep(0)
    opened.set()
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    await gate
    assert isinstance(outcomes[1], StoreUnavailable)
    assert "full" in str(outcomes[1])
    kept = ["kept", *("x" * 10 for outcome in outcomes if isinstance(outcome, str))]
    assert await database.read(_notes_there) == kept  # acknowledged ⇔ stored
    await database.write(_note("and on"))


async def test_an_error_never_shows_what_was_being_stored(database: SqliteDatabase) -> None:
    await database.write(lambda connection: connection.exec_driver_sql("CREATE UNIQUE INDEX one ON notes (text)"))
    await database.write(_note("secret words"))
    with pytest.raises(Broken) as caught:
        await database.write(_note("secret words"))
    assert "secret" not in str(caught.value)
    assert "secret" not in str(caught.value.__cause__)


async def test_a_directory_in_place_of_the_file_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        await open_sqlite(tmp_path, _notes.metadata.create_all)


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("secure_delete", 1)]
)
async def test_the_writer_is_set_up_for_durability(database: SqliteDatabase, pragma: str, value: object) -> None:
    found = await database.write(lambda connection: connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one())
    assert found == value


async def test_only_the_owner_may_read_the_file(database: SqliteDatabase, tmp_path: Path) -> None:
    await database.write(_note("a"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("stenod.db", "stenod.db-wal", "stenod.db-shm"), 0o600)
