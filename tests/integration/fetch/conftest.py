from collections.abc import AsyncIterator

import pytest

from stenod_server.fetch.fetcher import UriFetcher
from tests.support.fetching import fetching
from tests.support.origin import Origin, running_origin


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with running_origin() as running:
        yield running


@pytest.fixture
async def fetcher() -> AsyncIterator[UriFetcher]:
    """May reach loopback, where the origins of tests are."""
    async with fetching() as opened:
        yield opened
