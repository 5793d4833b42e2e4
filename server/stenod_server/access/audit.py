"""The audit log: who did what, and who was refused. Never media, transcripts, headers or credentials."""

import logging
from typing import Any, Final

import structlog

from stenod_server.telemetry.logs import AUDIT

_IDS: Final = ("job_id", "upload_id")


def record(*, method: str, outcome: str, peer: str, tenant: str, subject: str, **ids: str) -> None:
    """One event. `outcome` is the status code, with the reason where there is one; whatever the level of the log is."""
    logger = structlog.wrap_logger(
        logging.getLogger(AUDIT), wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET)
    )
    logger.info("audit", method=method, outcome=outcome, peer=peer, tenant=tenant, subject=subject, **ids)


def ids_of(message: Any) -> dict[str, str]:
    """The ids that a request names, or that the job or upload of a response has."""
    found: dict[str, str] = {}
    for part in (message, getattr(message, "job", None), getattr(message, "upload", None)):
        found |= {name: value for name in _IDS if (value := getattr(part, name, ""))}
    return found
