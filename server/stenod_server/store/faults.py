"""The one place where exceptions of the database, the object store and the disk become stenod's own."""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import obstore.exceptions
import sqlalchemy.exc

from stenod_server.errors import Broken, StenodError, StorageFull, StoreUnavailable
from stenod_server.store.bucket_faults import trouble_of

# Looked up along the exception's own line of descent, so the most special row wins.
_TRANSLATIONS: Final[Mapping[type[BaseException], type[StenodError]]] = {
    sqlalchemy.exc.IntegrityError: Broken,  # a constraint caught what the code let through
    sqlalchemy.exc.ProgrammingError: Broken,
    sqlalchemy.exc.DataError: Broken,
    UnicodeError: Broken,  # text that is none, such as half a surrogate pair
    sqlalchemy.exc.DBAPIError: StoreUnavailable,  # disk full, locked for too long, file gone, connection lost
    sqlalchemy.exc.TimeoutError: StoreUnavailable,
    obstore.exceptions.BaseError: StoreUnavailable,
    OSError: StoreUnavailable,
}
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def translate(error: BaseException) -> StenodError | None:
    """The stenod error for it, or None where the table has no row."""
    if _is_full(error):
        return StorageFull(f"the media cannot be stored: {error}")
    if isinstance(error, FileNotFoundError):
        return StoreUnavailable(f"the store failed: {_words(error)}", missing=True)
    for kind in type(error).__mro__:
        if kind in _TRANSLATIONS:
            return _TRANSLATIONS[kind](f"the store failed: {_words(error)}")
    return None


def _words(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    is_of_a_disk = isinstance(error, OSError) and error.errno is not None
    if isinstance(error, obstore.exceptions.BaseError | FileNotFoundError) and not is_of_a_disk:
        trouble, told = trouble_of(error)
        return f"{trouble}: {told}"
    return f"{type(cause).__name__}: {cause}"


def _is_full(error: BaseException) -> bool:
    """Of a disk of media. A database without room is unavailable: there is nothing a caller could leave out."""
    if isinstance(error, obstore.exceptions.BaseError):
        return any(f"os error {code}" in str(error) for code in _NO_ROOM)
    return isinstance(error, OSError) and error.errno in _NO_ROOM


@contextmanager
def translated() -> Iterator[None]:
    """Raises StoreUnavailable or Broken in place of what the libraries raise."""
    try:
        yield
    except StenodError:
        raise
    except Exception as error:
        translation = translate(error)
        if translation is None:
            raise
        raise translation from error
