"""Deliveries as spans of the trace that submitted their job."""

from stenod_server.ports import Delivery
from stenod_server.scheduler.notifier import Messenger
from stenod_server.telemetry.tracing import Tracer


class TracedMessenger:
    """Implements `notifier.Messenger`: passes every call on to `messenger`."""

    def __init__(self, messenger: Messenger, tracer: Tracer) -> None:
        self._messenger = messenger
        self._tracer = tracer

    def limit_s(self, delivery: Delivery) -> float:
        return self._messenger.limit_s(delivery)

    async def deliver(self, delivery: Delivery) -> None:
        parent = delivery.job.config.origin.traceparent
        with self._tracer.span(
            "notify", kind="client", parent=parent, job_id=delivery.job.job_id, attempt=delivery.attempt
        ):
            await self._messenger.deliver(delivery)
