"""What a job's configuration may say, whichever dialect it is written in. `field` is the name its caller knows."""

import re
from collections.abc import Sequence
from typing import Final

from stenod_server.errors import InvalidField, LimitExceeded

MAX_LABEL_CHARACTERS: Final = 255
MAX_TAGS: Final = 32
MAX_TAG_CHARACTERS: Final = 64
MAX_USER_ID_CHARACTERS: Final = 128
MAX_DETAILS_BYTES: Final = 16 * 1024
MAX_LANGUAGE_CHARACTERS: Final = 35
# A BCP-47 code, by its form; `auto` has it too, and so has none.
LANGUAGE_PATTERN: Final = "^([A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*)?$"


def language(field: str, code: str) -> str:
    """`auto` for none given. Raises InvalidField for what is no BCP-47 code."""
    if len(code) > MAX_LANGUAGE_CHARACTERS or not re.fullmatch(LANGUAGE_PATTERN, code):
        raise InvalidField(field, f"{code!r} is neither a BCP-47 code like 'en' or 'pt-BR' nor 'auto'")
    return code or "auto"


def trim(start_field: str, end_field: str, start_s: float, end_s: float | None) -> tuple[float, float]:
    """(start, end) in seconds; end 0: that of the file. Raises InvalidField."""
    for field, value in ((start_field, start_s), (end_field, end_s or 0.0)):
        if not 0 <= value < float("inf"):
            raise InvalidField(field, f"must be at least 0, got {value:g} s")
    if end_s is None:
        return start_s, 0.0
    if end_s <= start_s:
        start = start_field.rpartition(".")[2]
        raise InvalidField(end_field, f"must be after {start} ({start_s:g} s), got {end_s:g} s")
    return start_s, end_s


def engines(field: str, count: int) -> int:
    if count < 1:
        raise InvalidField(field, f"must be at least 1, got {count}")
    return count


def label(field: str, text: str, allowed: int = MAX_LABEL_CHARACTERS) -> str:
    if len(text) > allowed:
        raise LimitExceeded(field, limit="characters of this field", allowed=allowed, actual=len(text))
    return text


def user_id(field: str, text: str) -> str:
    return label(field, text, MAX_USER_ID_CHARACTERS)


def tags(field: str, given: Sequence[str]) -> tuple[str, ...]:
    if len(given) > MAX_TAGS:
        raise LimitExceeded(field, limit="tags of a job", allowed=MAX_TAGS, actual=len(given))
    return tuple(label(field, tag, MAX_TAG_CHARACTERS) for tag in given)


def details(field: str, as_json: str) -> str:
    if (size_bytes := len(as_json.encode())) > MAX_DETAILS_BYTES:
        raise LimitExceeded(field, limit="bytes of details", allowed=MAX_DETAILS_BYTES, actual=size_bytes)
    return as_json
