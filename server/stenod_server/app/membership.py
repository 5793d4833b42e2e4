"""What a node hears of its store, and makes it part of its cluster, where it belongs to one."""

from collections.abc import Callable
from contextlib import AsyncExitStack

from stenod_server.ports.cluster import Signal, SignalKind
from stenod_server.scheduler.options import Cluster
from stenod_server.settings import Settings
from stenod_server.store.open import Stores


def join_cluster(
    stack: AsyncExitStack, settings: Settings, stores: Stores, wake_notifier: Callable[[], None]
) -> Cluster | None:
    """None where nodes share no database: the signals of one node tell it what it knows, but for what is due to be
    told.
    """

    def hear(signal: Signal) -> None:
        if signal.kind in {SignalKind.DELIVERY, SignalKind.MISSED}:
            wake_notifier()

    stack.callback(stores.signals.subscribe(hear))
    if not settings.database_url:
        return None
    return Cluster(claims=stores.jobs, nodes=stores.nodes, signals=stores.signals)
