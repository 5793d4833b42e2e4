"""The schema over every database: made once, however many nodes start together, and newer than some of them."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from stenod_server.domain.job import JobState
from stenod_server.errors import InvalidField
from stenod_server.store.migration import OLDEST_NODE
from stenod_server.store.open import Shared, Stores, open_store
from stenod_server.store.tables import jobs, metadata
from tests.contract.lives import NOW, running, submitted
from tests.support.builders import make_info
from tests.support.postgres import PostgresServer

Reopen = Callable[[], Awaitable[Stores]]


async def _run(stores: Stores, *statements: str) -> None:
    def execute(connection: sa.Connection) -> None:
        for statement in statements:
            connection.exec_driver_sql(statement)

    await stores.jobs._database.write(execute)


async def _make_newer(stores: Stores, oldest_node: str) -> None:
    """As a release of the future would: a table, a column with a default, an index."""
    await _run(
        stores,
        "CREATE TABLE inventions (name text PRIMARY KEY)",
        "ALTER TABLE jobs ADD COLUMN invention text NOT NULL DEFAULT ''",
        "CREATE INDEX ix_jobs_invention ON jobs (invention)",
        "UPDATE alembic_version SET version_num = 'r9999'",
        f"UPDATE schema_rule SET oldest_node = '{oldest_node}'",
    )


async def _make_older(stores: Stores) -> None:
    await _run(
        stores,
        "DROP TABLE inventions",
        "DROP INDEX ix_jobs_invention",
        "ALTER TABLE jobs DROP COLUMN invention",
        f"UPDATE alembic_version SET version_num = '{await _newest(stores)}'",
        f"UPDATE schema_rule SET oldest_node = '{OLDEST_NODE}'",
    )


async def _newest(stores: Stores) -> str:
    del stores
    scripts = Path(__file__).parents[2].joinpath("server/stenod_server/store/migrations/versions").glob("r*.py")
    return max(script.name[:5] for script in scripts)


async def test_nodes_go_on_and_start_with_a_newer_schema_that_is_for_them(reopen: Reopen) -> None:
    before = await reopen()
    waiting = await submitted(before.jobs)
    await _make_newer(before, OLDEST_NODE)
    after = await reopen()
    try:
        for stores in (before, after):
            job = await running(stores.jobs)
            assert await stores.jobs.complete(job.lease, make_info(), [], now=NOW)
        assert (await after.jobs.get("default", waiting.job_id)).state is JobState.QUEUED
        assert (await before.jobs.counts())[JobState.SUCCEEDED] == 2
    finally:
        await _make_older(before)
        await before.close()
        await after.close()


async def test_a_node_that_is_too_old_for_a_schema_says_so(reopen: Reopen) -> None:
    stores = await reopen()
    await _make_newer(stores, "r9998")
    try:
        with pytest.raises(InvalidField, match="r9999, for nodes of r9998 or later"):
            await reopen()
    finally:
        await _make_older(stores)
        await stores.close()


@pytest.fixture
def empty(postgres_of_session: PostgresServer) -> str:
    postgres_of_session.sql("DROP DATABASE IF EXISTS empty WITH (FORCE)")
    postgres_of_session.sql("CREATE DATABASE empty")
    return postgres_of_session.url("empty")


async def test_nodes_that_start_together_make_the_schema_once(empty: str, tmp_path: Path) -> None:
    shared = Shared(database_url=empty, database_pool=2)
    nodes = await asyncio.gather(*(open_store(tmp_path / str(number), shared=shared) for number in range(6)))
    for stores in nodes:
        assert sum((await stores.jobs.counts()).values()) == 0
        await stores.close()


async def test_the_schema_in_postgres_is_the_metadata(empty: str, tmp_path: Path) -> None:
    def differences(connection: sa.Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "target_metadata": metadata})
        return list(compare_metadata(context, metadata))

    stores = await open_store(tmp_path, shared=Shared(database_url=empty))
    assert await stores.jobs._database.write(differences) == []
    checks = await stores.jobs._database.write(lambda connection: sa.inspect(connection).get_check_constraints("jobs"))
    named = {str(one.name) for one in jobs.constraints if isinstance(one, sa.CheckConstraint)}
    assert {f"ck_jobs_{name.removeprefix('ck_jobs_')}" for name in named} == {check["name"] for check in checks}
    await stores.close()
