"""A JSON body, read up to a limit and no further."""

import json
from typing import Any, Final, NoReturn

from starlette.requests import Request

from stenod_server.errors import InvalidField, LimitExceeded

MAX_BODY_BYTES: Final = 64 * 1024


async def read_json(request: Request, *, max_bytes: int = MAX_BODY_BYTES) -> dict[str, Any]:
    """The object that the body is, whatever content type comes with it. Raises InvalidField, LimitExceeded."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > max_bytes:
            raise LimitExceeded("body", limit="max_body_bytes", allowed=max_bytes)
    try:
        value = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # ValueError: also what is no UTF-8, and numbers without end
        raise InvalidField("body", "is no JSON") from error
    if not isinstance(value, dict):
        raise InvalidField("body", "must be a JSON object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is no JSON"
    raise ValueError(message)
