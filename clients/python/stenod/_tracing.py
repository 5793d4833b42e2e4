"""Which trace a call belongs to, where the application makes traces with OpenTelemetry; else nothing."""

try:
    from opentelemetry import propagate
except ImportError:
    propagate = None  # type: ignore[assignment]


def trace_metadata() -> tuple[tuple[str, str], ...]:
    """What tells the server of the span that is open here: `traceparent` and what else the application propagates."""
    if propagate is None:
        return ()
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return tuple((name.lower(), value) for name, value in carrier.items())
