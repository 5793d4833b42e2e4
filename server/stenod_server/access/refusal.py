"""Every failed authentication: the caller is told that it failed, the debug log why."""

from typing import Final

import structlog

from stenod_server.errors import Unauthenticated

MESSAGE: Final = (
    "the credentials are missing, wrong or out of date: an API key, a token or a client certificate is needed"
)
_log = structlog.get_logger()


def refused(why: str, **details: object) -> Unauthenticated:
    """The error to raise. It is the same whatever was wrong, so that nobody learns which part of a guess was right."""
    _log.debug("authentication_failed", why=why, **details)
    return Unauthenticated(MESSAGE)
