"""A node that is called too much says so, with the limit's name, and serves again once the flood is over."""

from pathlib import Path

import pytest

import stenod
from stenod._retry import RetryPolicy
from stenod.errors import Unavailable
from tests.support.eventually import eventually
from tests.support.node import fake_node
from tests.support.rude_clients import TOO_MANY, flood, slow

MOST = 20
ONCE = RetryPolicy(attempts=1)


async def test_calls_beyond_the_limit_are_refused_by_name_and_those_within_it_are_served(tmp_path: Path) -> None:
    async with fake_node(tmp_path, max_calls=MOST) as node:
        # One channel: with more, the limit on connections could come first.
        async with flood(node.address, count=MOST + 5, connections=0) as refused:
            await eventually(lambda: refused.total() == 5)
            assert set(refused) == {TOO_MANY}
            async with stenod.Client(node.address, retry=ONCE) as client:
                with pytest.raises(
                    Unavailable, match=r"20 such calls are being answered already \(max_calls\)"
                ) as refusal:
                    await client.capacity()
                assert refusal.value.reason == TOO_MANY
        await _serves(node.address)


async def test_silent_connections_beyond_the_limit_lock_nobody_out_for_long(tmp_path: Path) -> None:
    async with fake_node(tmp_path, max_calls=MOST) as node:
        async with flood(node.address, count=0, connections=10 * MOST):
            pass
        await _serves(node.address)


async def test_slow_and_half_open_clients_keep_no_other_from_being_served(tmp_path: Path) -> None:
    async with fake_node(tmp_path) as node, slow(node.address, count=20):
        await _serves(node.address)


async def _serves(address: str) -> None:
    async with stenod.Client(address) as client:
        assert (await client.capacity()).max_engines > 0
