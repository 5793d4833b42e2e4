"""What a node on its own hears of its store."""

from contextlib import AsyncExitStack
from pathlib import Path

from stenod_server.app.membership import join_cluster
from stenod_server.ports.cluster import Signal, SignalKind
from stenod_server.settings import load
from stenod_server.store.open import open_store
from stenod_server.store.signals import LocalSignals


async def test_a_node_on_its_own_is_woken_by_what_is_due_to_be_told_and_by_nothing_else(tmp_path: Path) -> None:
    woken: list[bool] = []
    async with AsyncExitStack() as stack:
        stores = await open_store(tmp_path, in_memory=True)
        stack.push_async_callback(stores.close)
        assert isinstance(stores.signals, LocalSignals)
        assert join_cluster(stack, load(data_dir=tmp_path), stores, lambda: woken.append(True)) is None
        stores.signals.publish([Signal(SignalKind.CHANGED, "a-job"), Signal(SignalKind.QUEUED)])
        assert woken == []
        stores.signals.publish([Signal(SignalKind.DELIVERY)])
        assert woken == [True]
