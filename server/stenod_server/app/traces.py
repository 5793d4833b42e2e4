"""Whether traces are made: only where the environment says where to send them."""

from collections.abc import Mapping
from typing import Final

import structlog

from stenod_server.telemetry.tracing import NO_TRACER, Tracer

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_log = structlog.get_logger()


def open_tracer(node: str, environment: Mapping[str, str]) -> Tracer:
    """The one that does nothing where no endpoint is set, or the extra `otel` is missing: then the log says so."""
    endpoint = next((environment[name] for name in _ENDPOINTS if environment.get(name)), "")
    if not endpoint:
        return NO_TRACER
    try:
        # Here, so that nothing of it is loaded where nobody traces.
        from stenod_server.telemetry.otel import OtelTracer  # noqa: PLC0415
    except ImportError as error:
        _log.warning("no_traces", endpoint=endpoint, problem=str(error), advice="pip install 'stenod[otel]'")
        return NO_TRACER
    return OtelTracer(node)
