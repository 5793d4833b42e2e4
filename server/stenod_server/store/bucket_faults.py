"""What an object store's error means. Its own words are not passed on: they hold addresses, signatures in them, and
answers as they came.
"""

import re
from enum import StrEnum
from http import HTTPStatus
from typing import Final

import obstore.exceptions


class Trouble(StrEnum):
    """Who would have to do something about it."""

    AWAY = "away"  # nobody answered in time, or with a fault of the server's own: passing
    DENIED = "denied"
    MISSING = "missing"
    OTHER = "other"


_STATUS: Final = re.compile(r"status code: (\d{3})")
_CODE: Final = re.compile(r"<Code>(\w{1,64})</Code>")
_LOCAL: Final = re.compile(r"Generic LocalFileSystem error: ([^\n]*)")
_DENIALS: Final = (obstore.exceptions.PermissionDeniedError, obstore.exceptions.UnauthenticatedError)
_DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


def trouble_of(error: BaseException) -> tuple[Trouble, str]:
    """With some words for it, which may be shown."""
    text = str(error)
    if local := _LOCAL.search(text):
        return Trouble.OTHER, local[1]
    status = int(found[1]) if (found := _STATUS.search(text)) else 0
    words = _words(status, text)
    if status in _DENIED or isinstance(error, _DENIALS):
        return Trouble.DENIED, words
    if status == HTTPStatus.NOT_FOUND or isinstance(error, FileNotFoundError):
        return Trouble.MISSING, words or "it is not there"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS or "HTTP error" in text:
        return Trouble.AWAY, words or "it does not answer"
    return Trouble.OTHER, words or type(error).__name__


def _words(status: int, text: str) -> str:
    code = _CODE.search(text)
    return ", ".join(filter(None, [f"status {status}" if status else "", code[1] if code else ""]))
