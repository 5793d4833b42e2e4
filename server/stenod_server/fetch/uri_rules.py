"""What holds for addresses of every scheme."""

from typing import Final

from stenod_server.errors import InvalidField, LimitExceeded

MAX_URI_CHARACTERS: Final = 4096


def check(uri: str, field: str = "media.uri") -> None:
    """Raises LimitExceeded, InvalidField: for signs that some readers drop, trim or take for others."""
    if len(uri) > MAX_URI_CHARACTERS:
        raise LimitExceeded(field, limit="characters of this field", allowed=MAX_URI_CHARACTERS, actual=len(uri))
    if not uri.isprintable() or "\\" in uri or uri != uri.strip():
        raise InvalidField(field, "holds control characters, backslashes, or blanks at an end")


def parts(uri: str) -> tuple[str, str, str]:
    """Scheme, host (or bucket) and path, as they stand. Raises InvalidField where there is a query or a fragment."""
    scheme, _, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    if "?" in uri or "#" in uri:
        raise InvalidField("media.uri", f"{scheme}:// addresses have no query and no fragment")
    return scheme.lower(), host, slash + path


def names(path: str) -> tuple[str, ...]:
    """The names in a path. Raises InvalidField where one is empty, `.` or `..`: then it may mean another path."""
    found = tuple(path.removeprefix("/").split("/"))
    if any(name in {"", ".", ".."} for name in found):
        raise InvalidField("media.uri", "its path has an empty name, '.' or '..'")
    return found
