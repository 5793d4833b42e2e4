"""Whether a new job is accepted. On a node of its own, saying yes in reject mode and reserving its engines is one step
without an await, so two submits that race for the last engine cannot both have it; in a cluster it is one transaction.
"""

import asyncio
from datetime import timedelta
from typing import Final

from stenod_server.domain.capacity import Admission
from stenod_server.domain.formatting_rules import FIELDS
from stenod_server.domain.job import Job, JobConfig
from stenod_server.errors import Draining, EnginesExhausted, EnginesUnsatisfiable, EngineUnavailable, QuotaExceeded
from stenod_server.ports.cluster import Load, PlaceRequest
from stenod_server.scheduler.dispatcher import Dispatcher
from stenod_server.scheduler.nodes import Nodes
from stenod_server.scheduler.options import Adapters, SchedulerOptions
from stenod_server.scheduler.routing import Router
from stenod_server.scheduler.slots import Slots
from stenod_server.text.formatting import rules as formatting_rules

PROMISE: Final = timedelta(seconds=30)  # so long a node keeps engines for a job that must start at once


class Gate:
    """In queue mode a submit needs only the store; in reject mode, or to fail fast, also a ready recogniser. `nodes`
    None: this node is all there is.
    """

    def __init__(
        self, adapters: Adapters, options: SchedulerOptions, *, slots: Slots, dispatcher: Dispatcher, router: Router
    ) -> None:
        self.nodes: Nodes | None = None
        self._adapters = adapters
        self._options = options
        self._slots = slots
        self._dispatcher = dispatcher
        self._router = router

    def is_immediate(self, *, fail_fast: bool) -> bool:
        """Whether the job must start at once or be refused."""
        return fail_fast or self._options.admission is Admission.REJECT

    def check_open(self) -> None:
        """Raises Draining."""
        if self._dispatcher.draining:
            raise Draining("the node is shutting down; another one may take the job")

    async def check(self, config: JobConfig, *, immediate: bool) -> None:
        """Raises EnginesUnsatisfiable, ModelNotFound, OptionNotServed, InvalidField; EngineUnavailable if it must start
        now. In a cluster StoreUnavailable, too.
        """
        if immediate and self.nodes is not None:
            await self.nodes.look()
        self._check_satisfiable(config)
        formatting = config.formatting
        if formatting.replacements or formatting.output_locale:
            # In a thread: it compiles the regular expressions of the job, and reads how its locale spells.
            await asyncio.to_thread(formatting_rules.check, formatting, config.language, FIELDS)
        try:
            await self._router.route(config)
            await self._router.voices(config)
            if config.default_language:  # a job shall not fail of it when it is half done
                await self._router.route(config.naming(config.default_language))
        except EngineUnavailable:
            # The queue takes jobs while no recogniser is up: a fleet can scale from zero. Routed when it runs.
            if immediate:
                raise
        if immediate and not self._is_ready():
            raise EngineUnavailable("the recogniser is not ready")

    async def check_free(self, config: JobConfig) -> None:
        """Whether the engines are free now; promises nothing. Raises EnginesExhausted, StoreUnavailable."""
        if self.nodes is None or self._adapters.cluster is None:
            self._check_free_here(config)
            return
        load = await self._adapters.cluster.claims.load(
            now=self._adapters.clock.now(), limits_of=self._options.limits_of
        )
        load.place(config.parallel_engines, self.nodes.workers)

    def promise(self, job: Job) -> PlaceRequest | None:
        """Promise the job its engines: here, or by a request that goes with it to the store.

        Raises EnginesExhausted, QuotaExceeded where it is here.
        """
        if self.nodes is not None:
            now = self._adapters.clock.now()
            return PlaceRequest(
                workers=self.nodes.workers, limits_of=self._options.limits_of, now=now, until=now + PROMISE
            )
        self._check_free_here(job.config)  # no await between this and the reservation: that is what makes it hold
        if not self._dispatcher.queue.within_quota(job):
            allowed = self._options.limits_of(job.tenant).max_running_engines
            retry_after_s = EnginesExhausted.retry_after_s
            raise QuotaExceeded("max_running_engines", allowed=allowed, retry_after_s=retry_after_s)
        self._dispatcher.queue.reserve(job)
        return None

    def accepts(self, *, queued_jobs: int) -> bool:
        """Whether a job of one engine would be accepted now, by what this node has."""
        if not self._has_room(queued_jobs):
            return False
        unpromised = self._slots.table.unused - self._dispatcher.waiting_engines
        return self._options.admission is Admission.QUEUE or (unpromised >= 1 and self._is_ready())

    def accepts_anywhere(self, load: Load) -> bool:
        """As `accepts`, by what all nodes have."""
        if not self._has_room(load.queued_jobs):
            return False
        workers = self.nodes.workers if self.nodes is not None else {}
        return self._options.admission is Admission.QUEUE or load.unpromised(workers) >= 1

    def _has_room(self, queued_jobs: int) -> bool:
        return not self._dispatcher.draining and queued_jobs < self._options.max_queued_jobs

    def _check_free_here(self, config: JobConfig) -> None:
        asked, most = config.parallel_engines, self._slots.table.max_engines
        promised = min(most, self._slots.table.reserved + self._dispatcher.waiting_engines)
        if asked > most - promised:
            raise EnginesExhausted(requested=asked, in_use=promised, maximum=most)

    def _is_ready(self) -> bool:
        """Whether a job could start now, on whatever node."""
        return bool(self.nodes.workers) if self.nodes is not None else self._adapters.engine.is_ready()

    def _check_satisfiable(self, config: JobConfig) -> None:
        most = max(self._slots.table.max_engines, self._options.largest_node_engines)
        if self.nodes is not None:
            most = max(most, self.nodes.largest_engines)
        # Where no node is up that runs jobs, nobody knows what the next one will have.
        if most and config.parallel_engines > most:
            in_use = self._slots.table.reserved
            raise EnginesUnsatisfiable(requested=config.parallel_engines, in_use=in_use, maximum=most)
