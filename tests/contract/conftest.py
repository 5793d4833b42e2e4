"""The backends that every contract test of the store runs over; another database joins by a row in BACKENDS."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from stenod_server.store.open import Shared, Stores, open_store
from tests.support.postgres import DATABASE, PostgresServer, forget_everything, postgres_server

GATHER_S: Final = 0.01  # progress is gathered as in production, only for a shorter time


@dataclass(frozen=True, slots=True)
class Backend:
    """`open` may be called again on the same path; a durable backend then has what it had."""

    open: Callable[[Path], Awaitable[Stores]]
    is_durable: bool


async def _sqlite_file(path: Path) -> Stores:
    return await open_store(path, gather_s=GATHER_S)


async def _sqlite_memory(path: Path) -> Stores:
    return await open_store(path, in_memory=True, gather_s=GATHER_S)


BACKENDS: Final[Mapping[str, Backend]] = {
    "sqlite-file": Backend(_sqlite_file, is_durable=True),
    "sqlite-memory": Backend(_sqlite_memory, is_durable=False),
}
POSTGRES: Final = "postgres"
DURABLE: Final = [*(name for name, backend in BACKENDS.items() if backend.is_durable), POSTGRES]


@pytest.fixture(scope="session")
def postgres_of_session() -> Iterator[PostgresServer]:
    with postgres_server(tcp=True) as server:
        yield server


@pytest.fixture
def postgres(postgres_of_session: PostgresServer) -> PostgresServer:
    """One whose `stenod` database is empty but for its schema."""
    forget_everything(postgres_of_session)
    return postgres_of_session


def _opener(name: str, request: pytest.FixtureRequest, path: Path) -> Callable[[], Awaitable[Stores]]:
    if name != POSTGRES:
        return partial(BACKENDS[name].open, path)
    server: PostgresServer = request.getfixturevalue("postgres")
    return partial(open_store, path, gather_s=GATHER_S, shared=Shared(database_url=server.url(DATABASE)))


@pytest.fixture(params=[*BACKENDS, POSTGRES])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    opened = await _opener(request.param, request, tmp_path / "data")()
    yield opened
    await opened.close()


@pytest.fixture(params=DURABLE)
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Awaitable[Stores]]:
    """Opens a durable store; called again, the same one. The test closes what it opened."""
    return _opener(request.param, request, tmp_path / "data")


@pytest.fixture
def reopen_file(tmp_path: Path) -> Callable[[], Awaitable[Stores]]:
    """As `reopen`, for what is promised of files: of a server's, nothing is."""
    return partial(BACKENDS["sqlite-file"].open, tmp_path / "data")


@pytest.fixture
async def pair(postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[tuple[Stores, Stores]]:
    """Of two nodes that share a PostgreSQL."""
    shared = Shared(database_url=postgres.url(DATABASE))
    one = await open_store(tmp_path / "one", gather_s=0.0, shared=shared)
    other = await open_store(tmp_path / "other", gather_s=0.0, shared=shared)
    yield one, other
    await one.close()
    await other.close()
