"""What must never be in a log."""

import io
import logging
import secrets
from contextlib import redirect_stderr
from typing import Literal

import pytest
import structlog

from stenod_server.telemetry import logs

SECRET = secrets.token_hex()


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_no_values(form: Literal["console", "json"]) -> None:
    handlers, level, config = logging.getLogger().handlers, logging.getLogger().level, structlog.get_config()
    try:
        with redirect_stderr(io.StringIO()) as log:
            logs.configure("info", form)
            structlog.configure(cache_logger_on_first_use=False)
            _fail(SECRET)
    finally:
        logging.getLogger().handlers = handlers
        logging.getLogger().setLevel(level)
        structlog.configure(**config)
    assert "ZeroDivisionError" in log.getvalue()
    assert SECRET not in log.getvalue()


def _fail(header: str) -> None:
    try:
        _ = len(header) / 0
    except ZeroDivisionError as error:
        structlog.get_logger().error("call_failed", exc_info=error)
