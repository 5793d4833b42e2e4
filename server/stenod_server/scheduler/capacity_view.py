"""How busy this node is, and the cluster it belongs to."""

from collections import Counter

from stenod_server.domain.capacity import ActiveJob, Capacity, NodeCapacity, expected_wait_s
from stenod_server.errors import EngineUnavailable
from stenod_server.ports import ModelProfile, VoiceProfile
from stenod_server.ports.cluster import Load, NodeReport
from stenod_server.scheduler.admission import Gate
from stenod_server.scheduler.dispatcher import Dispatcher
from stenod_server.scheduler.nodes import Nodes
from stenod_server.scheduler.options import Adapters, SchedulerOptions
from stenod_server.scheduler.routing import Router
from stenod_server.scheduler.slots import Slots


class CapacityView:
    """Reads what others keep. Every method may raise StoreUnavailable."""

    def __init__(
        self, adapters: Adapters, options: SchedulerOptions, *, slots: Slots, dispatcher: Dispatcher, gate: Gate
    ) -> None:
        self._adapters = adapters
        self._options = options
        self._slots = slots
        self._dispatcher = dispatcher
        self._gate = gate

    async def own(self) -> Capacity:
        """Of this node; the queue is everybody's."""
        queued_jobs = await self._adapters.store.count_queued()
        table, running, speed = self._slots.table, self._dispatcher.running, self._dispatcher.speed
        oldest = await self._dispatcher.queue.oldest() if queued_jobs else None
        return Capacity(
            node=self._options.node,
            admission=self._options.admission,
            accepting=self._gate.accepts(queued_jobs=queued_jobs),
            max_engines=table.max_engines,
            reserved_engines=table.reserved,
            elastic_engines=table.elastic,
            used_engines=table.in_use,
            active_jobs=self._active_here(),
            queued_jobs=queued_jobs,
            oldest_queued_age_s=None if oldest is None else (self._adapters.clock.now() - oldest).total_seconds(),
            expected_wait_s=expected_wait_s(
                queued_jobs=queued_jobs,
                active_jobs=len(running),
                unused_engines=table.unused,
                mean_run_s=speed.mean_run_s,
            ),
            real_time_factor=speed.real_time_factor,
            nodes=(self._node(),),
        )

    async def whole(self, nodes: Nodes | None) -> Capacity:
        """Of all nodes that are up, where there are others. What is lent to a job is known of this node's alone."""
        if nodes is None or self._adapters.cluster is None:
            return await self.own()
        now = self._adapters.clock.now()
        load = await self._adapters.cluster.claims.load(now=now, limits_of=self._options.limits_of)
        each = _of_nodes(nodes, load)
        unused = sum(node.unused_engines for node in each)
        most = sum(node.max_engines for node in each if not node.draining)
        elastic = sum(node.elastic_engines for node in each)
        lent = {job.job_id: job.elastic_engines for job in self._active_here()}
        runs_s = [node.mean_run_s for node in nodes.known if node.mean_run_s]
        return Capacity(
            node=self._options.node,
            admission=self._options.admission,
            accepting=self._gate.accepts_anywhere(load),
            max_engines=most,
            reserved_engines=most - unused,
            elastic_engines=elastic,
            used_engines=min(most, most - unused + elastic),
            active_jobs=tuple(
                ActiveJob(job.job_id, job.tenant, job.engines, lent.get(job.job_id, 0)) for job in load.running
            ),
            queued_jobs=load.queued_jobs,
            oldest_queued_age_s=(now - load.oldest_queued).total_seconds() if load.oldest_queued else None,
            expected_wait_s=expected_wait_s(
                queued_jobs=load.queued_jobs,
                active_jobs=len(load.running),
                unused_engines=unused,
                mean_run_s=sum(runs_s) / len(runs_s) if runs_s else None,
            ),
            real_time_factor=sum(node.real_time_factor for node in nodes.known) or None,
            nodes=each,
        )

    async def report(self, router: Router) -> NodeReport:
        """What this node tells the others."""
        table, speed = self._slots.table, self._dispatcher.speed
        models: tuple[ModelProfile, ...] = ()
        voices: tuple[VoiceProfile, ...] = ()
        if table.max_engines:
            try:
                models = tuple((await router.recent_profiles()).values())
                voices = tuple(router.recent_voices().values())
            except EngineUnavailable:
                pass  # it has none to offer yet
        return NodeReport(
            node=self._options.node,
            max_engines=table.max_engines,
            reserved_engines=table.reserved,
            elastic_engines=table.elastic,
            models=models,
            voices=voices,
            ready=self._is_ready(),
            draining=self._dispatcher.draining,
            real_time_factor=speed.real_time_factor or 0.0,
            mean_run_s=speed.mean_run_s or 0.0,
            seen=self._adapters.clock.now(),
        )

    def _is_ready(self) -> bool:
        return self._slots.table.max_engines > 0 and self._adapters.engine.is_ready()

    def _active_here(self) -> tuple[ActiveJob, ...]:
        running = self._dispatcher.running
        return tuple(
            ActiveJob(job_id, running[job_id].job.tenant, holding.reserved, holding.elastic)
            for job_id, holding in self._slots.table.holdings.items()
            if job_id in running
        )

    def _node(self) -> NodeCapacity:
        table = self._slots.table
        return NodeCapacity(
            node=self._options.node,
            max_engines=table.max_engines,
            unused_engines=table.unused,
            elastic_engines=table.elastic,
            ready=self._is_ready(),
            draining=self._dispatcher.draining,
        )


def _of_nodes(nodes: Nodes, load: Load) -> tuple[NodeCapacity, ...]:
    """What each has left, by what the store says runs there: that is newer than what the nodes said."""
    running: Counter[str] = Counter()
    for job in load.running:
        running[job.node] += job.engines
    return tuple(
        NodeCapacity(
            node=node.node,
            max_engines=node.max_engines,
            unused_engines=0 if node.draining else max(0, node.max_engines - running[node.node]),
            elastic_engines=node.elastic_engines,
            ready=node.ready,
            draining=node.draining,
        )
        for node in nodes.known
    )
