"""The name that media has where it comes from; for display only."""

from email.message import Message
from typing import Final
from urllib.parse import unquote

MAX_FILE_NAME_CHARACTERS: Final = 255


def file_name(content_disposition: str, path: str) -> str:
    """What the header says, else the last part of the path; empty where neither gives a name."""
    message = Message()
    message["Content-Disposition"] = content_disposition
    return _plain(message.get_filename("")) or _plain(unquote(path))


def _plain(name: str) -> str:
    last = name.replace("\\", "/").rpartition("/")[2]
    clean = "".join(character for character in last if character.isprintable()).strip()
    return "" if clean in {".", ".."} else clean[:MAX_FILE_NAME_CHARACTERS]
