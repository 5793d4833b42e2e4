"""The secrets that notifications are signed with: a line each, as the Standard Webhooks specification writes them."""

import base64
import binascii
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from stenod_server.access.watched import WatchedFiles
from stenod_server.errors import InvalidField

_PREFIX: Final = "whsec_"
_SETTING: Final = "notification_secret_file"
MIN_BYTES: Final = 24
MAX_BYTES: Final = 64


def read_secrets(path: Path) -> Sequence[bytes]:
    """All of them sign: a new one is added before the old one is taken out. Raises InvalidField; no message repeats
    a secret.
    """
    try:
        lines = path.read_text("ascii").split()
    except (OSError, UnicodeError) as error:
        raise InvalidField(
            _SETTING, f"{path} cannot be read: {getattr(error, 'strerror', 'it is not text')}"
        ) from error
    if not lines:
        raise InvalidField(_SETTING, f"{path} has no secret")
    return [_decoded(path, number, line) for number, line in enumerate(lines, start=1)]


def watch_secrets(path: Path, monotonic_s: Callable[[], float]) -> WatchedFiles[Sequence[bytes]]:
    """Raises InvalidField."""
    return WatchedFiles((path,), lambda: read_secrets(path), monotonic_s=monotonic_s)


def _decoded(path: Path, number: int, line: str) -> bytes:
    try:
        secret = base64.b64decode(line.removeprefix(_PREFIX), validate=True)
    except (ValueError, binascii.Error):
        secret = b""
    if not (line.startswith(_PREFIX) and MIN_BYTES <= len(secret) <= MAX_BYTES):
        message = f"line {number} of {path} is not {_PREFIX} and {MIN_BYTES} to {MAX_BYTES} bytes in base64"
        raise InvalidField(_SETTING, message)
    return secret
