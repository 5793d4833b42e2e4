"""What onnx-asr hears with an onnx-asr directory."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.support.parakeet_checkpoints import SAMPLE_RATE_HZ, Kind, as_floats

Window = npt.NDArray[np.int16]


class OnnxAsr:
    """Raises ModuleNotFoundError where it is not installed."""

    def __init__(self, export: Path, kind: Kind) -> None:
        load_model: Any = importlib.import_module("onnx_asr").load_model
        self._model = load_model(f"nemo-conformer-{kind}", export).with_timestamps()

    def hear(self, window: Window) -> tuple[str, list[int]]:
        """The text without spaces, and the sample at which each token starts."""
        heard = self._model.recognize(as_floats(window))
        return "".join(_spelt(heard.tokens).split()), [round(start * SAMPLE_RATE_HZ) for start in heard.timestamps]


def _spelt(tokens: Sequence[str]) -> str:
    """Without control tokens, and with bytes as the characters that they spell, which onnx-asr leaves as they are."""
    raw = b""
    for token in tokens:
        is_byte = token.startswith("<0x")
        raw += bytes([int(token[3:5], 16)]) if is_byte else b"" if token.startswith("<") else token.encode()
    return raw.decode("utf-8", "replace")
