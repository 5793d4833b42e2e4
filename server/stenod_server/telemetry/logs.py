"""Structured logs: one event per line, named by a verb; `job_id` and `request_id` are bound by context variables."""

import logging
import sys
from typing import Final, Literal

import structlog

AUDIT: Final = "stenod.audit"  # the audit log has a name of its own, so that it can be sent elsewhere


def configure(level: str = "info", form: Literal["console", "json"] = "console") -> None:
    """Send everything, third-party loggers included, to standard error in one form."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if form == "json":
        shared.append(structlog.processors.format_exc_info)
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        # Plain, for the renderer's own choice shows the values of variables: keys, headers, what somebody said.
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), pad_event_to=24, exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.getLogger(AUDIT).setLevel(logging.INFO)  # recorded whatever else is left out
    for chatty in ("alembic", "asyncio", "httpcore", "httpx", "python_multipart", "sqlalchemy.engine", "uvicorn"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
