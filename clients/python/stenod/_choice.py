"""Words that stand for numbers of the API."""

from collections.abc import Mapping
from typing import TypeVar

from stenod.errors import InvalidRequest

_Choice = TypeVar("_Choice")


def chosen(name: str, value: str, choices: Mapping[str, _Choice]) -> _Choice:
    """Raises InvalidRequest for what is none of them."""
    try:
        return choices[value]
    except KeyError:
        message = f"{name}: {value!r} is none of {', '.join(choices)}"
        raise InvalidRequest(message, reason="INVALID_FIELD", metadata={"field": name}) from None
