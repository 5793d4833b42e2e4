"""Whether a new job is accepted. Saying yes in reject mode and reserving its engines is one step without an await, so
two submits that race for the last engine cannot both have it.
"""

import asyncio

from stenod_server.domain.capacity import Admission
from stenod_server.domain.formatting_rules import FIELDS
from stenod_server.domain.job import Job, JobConfig
from stenod_server.errors import Draining, EnginesExhausted, EnginesUnsatisfiable, EngineUnavailable, QuotaExceeded
from stenod_server.scheduler.dispatcher import Dispatcher
from stenod_server.scheduler.options import Adapters, SchedulerOptions
from stenod_server.scheduler.routing import Router
from stenod_server.scheduler.slots import Slots
from stenod_server.text.formatting import rules as formatting_rules


class Gate:
    """In queue mode a submit needs only the store; in reject mode, or to fail fast, also a ready recogniser."""

    def __init__(
        self, adapters: Adapters, options: SchedulerOptions, *, slots: Slots, dispatcher: Dispatcher, router: Router
    ) -> None:
        self._engine = adapters.engine
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
        now.
        """
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
        if immediate and not self._engine.is_ready():
            raise EngineUnavailable("the recogniser is not ready")

    def check_free(self, config: JobConfig) -> None:
        """Raises EnginesExhausted. No await between this and `reserve`'s reservation: that is what makes it hold."""
        asked = config.parallel_engines
        promised = min(self._slots.table.max_engines, self._slots.table.reserved + self._dispatcher.waiting_engines)
        if asked > self._slots.table.max_engines - promised:
            raise EnginesExhausted(requested=asked, in_use=promised, maximum=self._slots.table.max_engines)

    def reserve(self, job: Job) -> None:
        """Promise the job its engines. Raises EnginesExhausted, QuotaExceeded."""
        self.check_free(job.config)
        if not self._dispatcher.within_quota(job):
            allowed = self._options.limits_of(job.tenant).max_running_engines
            retry_after_s = EnginesExhausted.retry_after_s
            raise QuotaExceeded("max_running_engines", allowed=allowed, retry_after_s=retry_after_s)
        self._dispatcher.reserve(job)

    def accepts(self, *, queued_jobs: int) -> bool:
        """Whether a job of one engine would be accepted now."""
        if self._dispatcher.draining or queued_jobs >= self._options.max_queued_jobs:
            return False
        if self._options.admission is Admission.QUEUE:
            return True
        unpromised = self._slots.table.unused - self._dispatcher.waiting_engines
        return unpromised >= 1 and self._engine.is_ready()

    def _check_satisfiable(self, config: JobConfig) -> None:
        most = max(self._slots.table.max_engines, self._options.largest_node_engines)
        # A node without engines of its own cannot know what the others have.
        if most and config.parallel_engines > most:
            in_use = self._slots.table.reserved
            raise EnginesUnsatisfiable(requested=config.parallel_engines, in_use=in_use, maximum=most)
