"""Spans that go to an OpenTelemetry collector. Needs the extra `otel`; everything is set by the variables of the
specification (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, …), read by the library itself.
"""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from stenod_server.errors import StenodError
from stenod_server.telemetry.tracing import TRACEPARENT, Attribute, Kind, Span, current, inside

_KINDS: Final[Mapping[Kind, trace.SpanKind]] = {
    "internal": trace.SpanKind.INTERNAL,
    "server": trace.SpanKind.SERVER,
    "client": trace.SpanKind.CLIENT,
}
_PROPAGATOR: Final = TraceContextTextMapPropagator()


class OtelTracer:
    """Implements `tracing.Tracer`. Owns its provider, so that nothing global is set."""

    def __init__(self, node: str, exporter: SpanExporter | None = None) -> None:
        resource = Resource.create(
            {"service.name": os.environ.get("OTEL_SERVICE_NAME", "stenod"), "service.instance.id": node}
        )
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or _exporter()))
        self._tracer = self._provider.get_tracer("stenod")

    @contextmanager
    def span(
        self, name: str, *, kind: Kind = "internal", parent: str = "", is_current: bool = True, **attributes: Attribute
    ) -> Iterator[Span]:
        """As `tracing.Tracer.span`."""
        context = _context(parent or current())
        inner = self._tracer.start_span(name, context, _KINDS[kind], _named(attributes))
        try:
            with inside(_traceparent(inner) if is_current else current()):
                yield _OtelSpan(inner)
        except asyncio.CancelledError:
            inner.set_attribute("stenod.cancelled", value=True)
            raise
        except BaseException as error:
            reason = error.reason if isinstance(error, StenodError) else type(error).__name__
            inner.set_status(trace.StatusCode.ERROR, reason)
            raise
        finally:
            inner.end()

    def close(self) -> None:
        """As `tracing.Tracer.close`."""
        self._provider.shutdown()


class _OtelSpan:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, **attributes: Attribute) -> None:
        self._span.set_attributes(_named(attributes))


def _named(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    return {f"stenod.{name}": value for name, value in attributes.items()}


def _context(traceparent: str) -> Context:
    """An empty one starts a trace, whatever some other library has put into the current context."""
    return _PROPAGATOR.extract({TRACEPARENT: traceparent} if traceparent else {}, Context())


def _traceparent(span: trace.Span) -> str:
    """Also of a span that is not sampled, so that its children are not either."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, trace.set_span_in_context(span, Context()))
    return carrier.get(TRACEPARENT, "")


def _exporter() -> SpanExporter:
    protocol = os.environ.get(
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    )
    return HttpExporter() if protocol.startswith("http") else GrpcExporter()
