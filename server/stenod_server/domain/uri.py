"""Addresses of media, as they may be shown: presigned signatures and passwords stay with whoever gave them."""

import re
from typing import Final

_AUTHORITY: Final = re.compile(r"(?:[^\s:@\[\]\\]*|\[[^\s@\[\]\\]*\])(?::\d*)?")


def shown(uri: str) -> str:
    """The address without user, password, query and fragment: the only form for logs, messages and answers.

    Never raises. Where the host cannot be told from a password, neither is shown.
    """
    place = re.split(r"[?#]", uri, maxsplit=1)[0]
    scheme, separator, rest = place.partition("://")
    if not separator:
        return f"{scheme.partition(':')[0]}:…"
    authority, slash, path = rest.partition("/")
    host = authority.rpartition("@")[2]
    return f"{scheme}://{host}{slash}{path}" if _AUTHORITY.fullmatch(host) else f"{scheme}://…"
