"""The one place where exceptions of the network, the object stores and the disk become stenod's own.

What the libraries say is not passed on: it may repeat addresses with their signatures, or what a host answered.
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import httpx
import obstore.exceptions

from stenod_server.errors import FetchFailed, MediaNotFound, StenodError

# Looked up along the exception's own line of descent, so the most special row wins.
_TRANSLATIONS: Final[Mapping[type[BaseException], tuple[type[StenodError], str]]] = {
    httpx.ConnectTimeout: (FetchFailed, "cannot be connected to in time"),
    httpx.ConnectError: (FetchFailed, "cannot be connected to"),
    httpx.TimeoutException: (FetchFailed, "sent nothing for too long (setting fetch_stall_s)"),
    httpx.RemoteProtocolError: (FetchFailed, "broke off, or does not speak HTTP"),
    httpx.TransportError: (FetchFailed, "broke off"),
    FileNotFoundError: (MediaNotFound, "does not exist"),
    NotADirectoryError: (MediaNotFound, "does not exist"),
    PermissionError: (MediaNotFound, "may not be read"),
    obstore.exceptions.PermissionDeniedError: (MediaNotFound, "may not be read with this server's credentials"),
    obstore.exceptions.UnauthenticatedError: (MediaNotFound, "may not be read with this server's credentials"),
    obstore.exceptions.BaseError: (FetchFailed, "cannot be read"),
    OSError: (FetchFailed, "cannot be read"),
}


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Raises FetchFailed or MediaNotFound in place of what the libraries raise; `address` as it may be shown."""
    try:
        yield
    except StenodError:
        raise
    except Exception as error:
        row = next((_TRANSLATIONS[kind] for kind in type(error).__mro__ if kind in _TRANSLATIONS), None)
        if row is None:
            raise
        kind, problem = row
        raise kind(f"{address} {problem}{_certificate_problem(error)}") from error


def _certificate_problem(error: BaseException | None) -> str:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return f": its certificate is not accepted ({error.verify_message})"
        error = error.__cause__ or error.__context__
    return ""
