"""What schemathesis sends for a recording: every second time one, of a second of speech-like sound."""

import tempfile
from pathlib import Path

import schemathesis
from hypothesis import strategies
from schemathesis.transport.serialization import Binary

from tests.support.waves import talk, write_wav

with tempfile.TemporaryDirectory() as name:
    _RECORDING = write_wav(Path(name) / "talk.wav", talk(1.0)).read_bytes()

schemathesis.openapi.format(
    "binary", strategies.one_of(strategies.just(_RECORDING), strategies.binary(max_size=2000)).map(Binary)
)
