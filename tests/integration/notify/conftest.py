"""A store, and somebody to be told."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stenod_server.store.open import open_store
from tests.integration.notify.rig import Rig
from tests.support.receiver import Receiver, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as listening:
        yield listening


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    stores = await open_store(tmp_path / "data")
    yield Rig(stores)
    await stores.close()
