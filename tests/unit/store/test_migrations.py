"""The migrations make the schema that the code was written for, once, and whole or not at all."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from stenod_server.errors import StoreUnavailable
from stenod_server.store import codec, job_queries
from stenod_server.store.migration import upgrade
from stenod_server.store.sqlite import SqliteDatabase, open_sqlite
from stenod_server.store.tables import jobs, metadata
from tests.support.builders import make_job


@pytest.fixture
def migrated() -> Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        upgrade(connection)
        yield connection
    engine.dispose()


def _schema(connection: sa.Connection) -> dict[str, str]:
    """What the database itself says: columns, constraints, partial indexes, word for word."""
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: " ".join(sorted(sql.replace(",", " ").split())) for name, sql in rows if "alembic" not in name}


def test_from_empty_to_head_is_the_metadata(migrated: sa.Connection) -> None:
    context = MigrationContext.configure(migrated, opts={"compare_type": True, "target_metadata": metadata})
    assert compare_metadata(context, metadata) == []


def test_from_empty_to_head_has_every_constraint_and_index_of_the_metadata(migrated: sa.Connection) -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        assert _schema(migrated) == _schema(connection)
    engine.dispose()


def test_upgrading_twice_changes_nothing(migrated: sa.Connection) -> None:
    before = _schema(migrated)
    upgrade(migrated)
    assert _schema(migrated) == before


def test_segments_that_were_stored_before_there_were_drafts_are_final() -> None:
    engine = sa.create_engine("sqlite://")
    row = codec.job_row(make_job(job_id="old"))
    for younger in ("interactive", "model"):
        del row[younger]
    with engine.begin() as connection:
        upgrade(connection, "r0006")
        connection.execute(sa.insert(jobs), row)
        for index, final in enumerate((1, 0)):
            connection.exec_driver_sql(
                "INSERT INTO segments (job_id, segment_index, final, body) VALUES ('old', ?, ?, '{\"words\":[]}')",
                (index, final),
            )
        upgrade(connection)
        stored = job_queries.segment_page(connection, "old", 0, final=True)
        assert [(segment.index, segment.final) for segment in stored] == [(0, True), (1, True)]
        assert job_queries.segment_page(connection, "old", 0, final=False) == []
    engine.dispose()


async def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "stenod.db"

    def upgrade_and_fail(connection: sa.Connection) -> None:
        upgrade(connection)
        raise OSError

    with pytest.raises(StoreUnavailable):
        await open_sqlite(path, upgrade_and_fail)
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert _schema(connection) == {}
    engine.dispose()


async def test_two_nodes_that_start_together_migrate_once(tmp_path: Path) -> None:
    path = tmp_path / "stenod.db"
    databases = await asyncio.gather(*(open_sqlite(path, upgrade) for _ in range(4)))
    for database in databases:
        assert isinstance(database, SqliteDatabase)
        assert sum((await database.read(job_queries.counts)).values()) == 0
        await database.close()


def test_every_index_says_why_it_is_there() -> None:
    source = Path(__file__).parents[3].joinpath("server/stenod_server/store/tables.py").read_text().splitlines()
    lines = [number for number, line in enumerate(source) if line.startswith("sa.Index(")]
    assert len(lines) == sum(len(table.indexes) for table in metadata.tables.values())
    assert [number for number in lines if not source[number - 1].startswith("#")] == []
