"""What is said of a database's address, and what is not."""

import sys

import asyncpg  # type: ignore[import-untyped]
import pytest
import sqlalchemy as sa

from stenod_server.errors import Broken, InvalidField, StenodError, StorageFull, StoreUnavailable
from stenod_server.store.open import Shared
from stenod_server.store.postgres_driver import Host, PostgresUrl, hosts_of, without_password
from stenod_server.store.postgres_faults import is_passing, translated


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://user:secret@host/db", "postgresql://user:***@host/db"),
        ("postgresql://user:se:cr@et/@host:1,host:2/db", "postgresql://user:***@host:1,host:2/db"),
        ("postgresql://host/db?user=user&password=secret&x=1", "postgresql://host/db?user=user&password=***&x=1"),
        ("postgresql://user@host/db", "postgresql://user@host/db"),
    ],
)
def test_an_address_is_printed_without_its_password(url: str, said: str) -> None:
    assert without_password(url) == said
    assert said in f"{PostgresUrl(url)} {PostgresUrl(url)!r}"
    assert "secret" not in repr(Shared(database_url=url))


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://user:p@one:5433,two/db", [Host("one", 5433), Host("two")]),
        ("postgresql://one,two/db?port=1,2", [Host("one", 1), Host("two", 2)]),
        ("postgresql://[::1]:5433,[fe80::1]/db", [Host("::1", 5433), Host("fe80::1")]),
        ("postgresql:///db?host=/run/postgresql&port=5433", [Host("/run/postgresql", 5433)]),
        ("postgresql://%2Frun%2Fpostgresql/db", [Host("/run/postgresql")]),
        ("postgresql:///db", [Host()]),
    ],
)
def test_every_host_of_an_address_is_known(url: str, hosts: list[Host]) -> None:
    assert hosts_of(url) == hosts


async def test_an_address_that_is_none_is_refused_without_being_repeated() -> None:
    with pytest.raises(InvalidField) as refused:
        await PostgresUrl("postgresql://user:sec/ret@host/db").connect()  # a password of which half looks like a port
    assert "ret" not in refused.value.message.replace("percent-encode", "")
    with pytest.raises(InvalidField):
        PostgresUrl("mysql://host/db")


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable) as away:
        await PostgresUrl("postgresql://user:secret@127.0.0.1:1/db").connect()
    assert "secret" not in away.value.message


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(InvalidField, match=r"pip install 'stenod\[postgres\]'"):
        PostgresUrl("postgresql://host/db")


class _Said(Exception):
    """As SQLAlchemy hands on what asyncpg raised."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.__cause__ = cause
        self.sqlstate = getattr(cause, "sqlstate", None)


def _failed(kind: type[sa.exc.DBAPIError], cause: asyncpg.PostgresError) -> sa.exc.DBAPIError:
    cause.detail = "Failing row contains (what was said in confidence)."
    return kind("INSERT", None, _Said(cause))


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (_failed(sa.exc.IntegrityError, asyncpg.CheckViolationError("violates ck")), Broken),
        (_failed(sa.exc.DBAPIError, asyncpg.DiskFullError("could not extend file")), StorageFull),
        (_failed(sa.exc.DBAPIError, asyncpg.QueryCanceledError("cancelled")), StoreUnavailable),
        (_failed(sa.exc.DataError, asyncpg.DataError("invalid input: 'in confidence'")), Broken),
        (sa.exc.TimeoutError("no connection"), StoreUnavailable),
    ],
)
def test_errors_become_stenods_own_and_tell_nothing_of_rows(
    error: sa.exc.SQLAlchemyError, becomes: type[StenodError]
) -> None:
    with pytest.raises(becomes) as raised, translated():
        raise error
    assert "confidence" not in raised.value.message
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (_failed(sa.exc.DBAPIError, asyncpg.DeadlockDetectedError("deadlock")), True),
        (_failed(sa.exc.DBAPIError, asyncpg.ReadOnlySQLTransactionError("a standby")), True),
        (_failed(sa.exc.DBAPIError, asyncpg.CannotConnectNowError("starting up")), True),
        (_failed(sa.exc.IntegrityError, asyncpg.UniqueViolationError("twice")), False),
        (_failed(sa.exc.DBAPIError, asyncpg.DiskFullError("full")), False),
    ],
)
def test_what_passes_is_tried_again(error: sa.exc.DBAPIError, passes: bool) -> None:  # noqa: FBT001
    assert is_passing(error) is passes
