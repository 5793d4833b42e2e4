"""The model.py of the `sleeper-voices`: the tensors of a model of voices without one. Runs inside Triton's Python stub.

It hears what FakeEngine hears: in each whole second speaks the voice whose number is the second's first sample modulo
8, and none where that is 0. While there is a file `wrong` beside the config, it answers beside the contract.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

SAMPLE_RATE_HZ = 16_000
DIMENSIONS = 8


class TritonPythonModel:
    """Answers at once."""

    def initialize(self, args: dict[str, str]) -> None:
        parameters = json.loads(args["model_config"])["parameters"]
        self._max_samples = json.loads(parameters["voices_profile"]["string_value"])["window_max_samples"]
        self._wrong = Path(args["model_repository"], "wrong")

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        windows = [pb_utils.get_input_tensor_by_name(request, "AUDIO").as_numpy().reshape(-1) for request in requests]
        return [self._answer(window) for window in windows]

    def _answer(self, audio: Any) -> Any:
        if len(audio) > self._max_samples:
            error = pb_utils.TritonError(f"{len(audio)} samples are too many", pb_utils.TritonError.INVALID_ARG)
            return pb_utils.InferenceResponse(output_tensors=[], error=error)
        numbers = audio[: len(audio) // SAMPLE_RATE_HZ * SAMPLE_RATE_HZ : SAMPLE_RATE_HZ] % DIMENSIONS
        starts = np.flatnonzero(numbers) * SAMPLE_RATE_HZ
        heard, voices = np.unique(numbers[numbers > 0], return_inverse=True)
        columns = {
            "SPAN_START_SAMPLES": starts.astype(np.int32),
            "SPAN_END_SAMPLES": (starts + SAMPLE_RATE_HZ).astype(np.int32),
            "SPAN_VOICE": voices.astype(np.int32),
            "EMBEDDINGS": np.eye(DIMENSIONS, dtype=np.float32)[heard],
            "CLEAN_SAMPLES": (np.bincount(voices, minlength=len(heard)) * SAMPLE_RATE_HZ).astype(np.int32),
        }
        if self._wrong.exists():
            columns["EMBEDDINGS"] = np.zeros(DIMENSIONS - 1, np.float32)
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(name, value.reshape(1, -1)) for name, value in columns.items()]
        )
