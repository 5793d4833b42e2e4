"""What went wrong in PostgreSQL: what may be tried again, what it is called in stenod's own tree, and what may be said.

A server's DETAIL has rows in it, and a driver's complaint about a value has the value: neither is passed on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa

from stenod_server.errors import Broken, InvalidField, StenodError, StorageFull, StoreUnavailable

# Nothing of the transaction has happened, and another time it may.
_PASSING: Final = frozenset(
    {
        "25006",  # read_only_sql_transaction: this server is a standby now
        "25P03",  # idle_in_transaction_session_timeout
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "53300",  # too_many_connections
        "55P03",  # lock_not_available
        "57P01",  # admin_shutdown
        "57P02",  # crash_shutdown
        "57P03",  # cannot_connect_now
    }
)
_OF_NO_USE: Final = frozenset({"25006", "57P01", "57P02"})  # the connection
_DISK_FULL: Final = "53100"
_NO_SUCH_CHARACTER: Final = "22021"
_BROKEN: Final = (sa.exc.IntegrityError, sa.exc.ProgrammingError, sa.exc.DataError)


def is_passing(error: sa.exc.DBAPIError | StoreUnavailable) -> bool:
    """Whether it may go well another time. Where a commit was not answered, nobody knows whether it was done: writes
    bear to be done again (`Database.write`).
    """
    if isinstance(error, StoreUnavailable):
        return True  # there was no connection
    was_migrated = type(error.orig).__name__ == "InvalidCachedStatementError"
    return error.connection_invalidated or was_migrated or _sqlstate(error) in _PASSING


def has_no_use(error: sa.exc.DBAPIError) -> bool:
    """Whether the connection it came over is none to write with any more."""
    return _sqlstate(error) in _OF_NO_USE


@contextmanager
def translated() -> Iterator[None]:
    """Raises StoreUnavailable, StorageFull or Broken in place of what SQLAlchemy raises; InvalidField for U+0000."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        raise _translation(error) from None


def _translation(error: sa.exc.SQLAlchemyError) -> StenodError:
    if not isinstance(error, sa.exc.DBAPIError):
        kind = StoreUnavailable if isinstance(error, sa.exc.TimeoutError) else Broken
        return kind(f"PostgreSQL failed: {type(error).__name__}")
    said = f"PostgreSQL failed: {_words(error)}"
    if _sqlstate(error) == _DISK_FULL:
        return StorageFull(said)
    if _sqlstate(error) == _NO_SUCH_CHARACTER:
        return InvalidField("a text", "holds the character U+0000, which cannot be stored")
    return Broken(said) if isinstance(error, _BROKEN) else StoreUnavailable(said)


def _words(error: sa.exc.DBAPIError) -> str:
    state = _sqlstate(error)
    cause = getattr(error.orig, "__cause__", None) or error.orig
    name = type(cause).__name__
    if isinstance(error, sa.exc.DataError) or not state:
        return f"{state} {name}".strip()
    message = str(getattr(cause, "message", None) or next(iter(getattr(cause, "args", ())), ""))
    return f"{state} {name}: {message}"


def _sqlstate(error: sa.exc.DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""
