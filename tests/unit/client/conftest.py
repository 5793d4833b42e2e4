from collections.abc import AsyncIterator

import pytest

import stenod
from tests.unit.client.scripted import Script, scripted_server

# Quick, so that no test waits for a back-off that is made for people.
IMPATIENT = stenod.RetryPolicy(attempts=3, outage_s=20.0, initial_backoff_s=0.001, max_backoff_s=0.01)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
async def address(script: Script) -> AsyncIterator[str]:
    async with scripted_server(script) as server_address:
        yield server_address


@pytest.fixture
async def client(address: str) -> AsyncIterator[stenod.Client]:
    async with stenod.Client(address, retry=IMPATIENT) as opened:
        yield opened
