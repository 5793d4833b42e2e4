"""The backends that every contract test of the store runs over; another database joins by a row in BACKENDS."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from stenod_server.store.open import Stores, open_store

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
DURABLE: Final = [name for name, backend in BACKENDS.items() if backend.is_durable]


@pytest.fixture(params=BACKENDS)
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    opened = await BACKENDS[request.param].open(tmp_path / "data")
    yield opened
    await opened.close()


@pytest.fixture(params=DURABLE)
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Awaitable[Stores]]:
    """Opens a durable store; called again, the same one. The test closes what it opened."""
    return lambda: BACKENDS[request.param].open(tmp_path / "data")
