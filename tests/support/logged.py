"""What a node writes to its log."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any

import structlog

from stenod_server.telemetry import logs


@contextmanager
def logged(level: str = "debug") -> Iterator[list[dict[str, Any]]]:
    """All that is logged inside, as JSON, once it has ended. A node is at its most talkative unless told otherwise."""
    written, lines = io.StringIO(), list[dict[str, Any]]()
    handlers, before = logging.getLogger().handlers, logging.getLogger().level
    config = structlog.get_config()
    try:
        with redirect_stderr(written):
            logs.configure(level, "json")
            structlog.configure(cache_logger_on_first_use=False)
            yield lines
    finally:
        logging.getLogger().handlers = handlers
        logging.getLogger().setLevel(before)
        structlog.configure(**config)
    lines.extend(json.loads(line) for line in written.getvalue().splitlines())
