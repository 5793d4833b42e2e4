"""What schemathesis sends for a recording: every second time one, of a second of sound; and what it does not send."""

import tempfile
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies
from schemathesis.transport.serialization import Binary

from tests.support.waves import talk, write_wav

with tempfile.TemporaryDirectory() as name:
    _RECORDING = write_wav(Path(name) / "talk.wav", talk(1.0)).read_bytes()

schemathesis.openapi.format(
    "binary", strategies.one_of(strategies.just(_RECORDING), strategies.binary(max_size=2000)).map(Binary)
)

_FREE_LISTS = ("keywords", "keywords[]", "languages", "languages[]")


@schemathesis.hook
def filter_case(_context: schemathesis.HookContext, case: schemathesis.Case[Any]) -> bool:
    """Whatever is in a form arrives as text: where any text is taken, a value of a wrong type is a right one."""
    body = case.body if isinstance(case.body, dict) else {}
    return all(_is_texts(body[name]) for name in _FREE_LISTS if name in body)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
