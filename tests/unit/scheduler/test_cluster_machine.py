"""The life cycle of jobs once more, on nodes that share their queue; with signals, and without any."""

from collections.abc import Callable

from hypothesis import settings

from stenod_server.ports.cluster import Signal
from stenod_server.scheduler.options import Cluster
from tests.unit.scheduler.test_life_cycle_machine import LifeCycle


class Deaf:
    """Signals that all are lost."""

    def subscribe(self, hear: Callable[[Signal], None]) -> Callable[[], None]:
        del hear
        return lambda: None


class SharedLifeCycle(LifeCycle):
    """Nodes that wake each other."""

    def cluster(self) -> Cluster:
        return Cluster(claims=self.stores.jobs, nodes=self.stores.nodes, signals=self.stores.signals)


class DeafLifeCycle(SharedLifeCycle):
    """Nodes that hear nothing of each other."""

    def cluster(self) -> Cluster:
        return Cluster(claims=self.stores.jobs, nodes=self.stores.nodes, signals=Deaf())


TestSharedLifeCycle = SharedLifeCycle.TestCase
TestSharedLifeCycle.settings = settings(max_examples=12, stateful_step_count=30, deadline=None)
TestDeafLifeCycle = DeafLifeCycle.TestCase
TestDeafLifeCycle.settings = settings(max_examples=6, stateful_step_count=30, deadline=None)
