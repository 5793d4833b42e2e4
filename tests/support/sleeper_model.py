"""The model.py of the `sleeper`: the tensor contract without a recogniser. Runs inside Triton's Python stub.

It sleeps instead of recognising and gives one word per second of audio, `<samples>-<second>`, as FakeEngine does. Some
languages make it misbehave, and so do windows that begin with a certain sample, so that a test can see what the engine
makes of it. While the mark `wrong` is there, every word is another one.
"""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

SAMPLE_RATE_HZ = 16_000
DEADLY_SAMPLE = -12_345  # its process ends
ENDLESS_SAMPLE = -12_346  # it works on the batch for ever


class TritonPythonModel:
    """It sleeps for `fixed_ms` per batch, from the configuration's parameters."""

    _languages: frozenset[str]

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        parameters = {key: value["string_value"] for key, value in config["parameters"].items()}
        profile = json.loads(parameters["profile"])
        self._languages = frozenset({"auto", *profile["languages"]})
        self._max_samples = profile["window_max_samples"]
        self._fixed_s = int(parameters["fixed_ms"]) / 1000
        self._marks = Path(parameters["marks"])

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        firsts = {int(sample) for request in requests for sample in _input(request, "AUDIO")[:1]}
        lengths = [len(_input(request, "AUDIO")) for request in requests]
        if self._fixed_s:
            (self._marks / "sleeping").touch()
        time.sleep(self._fixed_s)
        if DEADLY_SAMPLE in firsts:
            os._exit(1)
        while ENDLESS_SAMPLE in firsts:
            time.sleep(1.0)
        return [self._answer(request, length) for request, length in zip(requests, lengths, strict=True)]

    def _answer(self, request: Any, length: int) -> Any:
        language = _input(request, "LANGUAGE")[0].decode()
        if language not in self._languages:
            return _failure(pb_utils.TritonError.INVALID_ARG, f"language {language!r} is not spoken here")
        if json.loads(_input(request, "OPTIONS")[0])["prompt"]:
            return _failure(pb_utils.TritonError.INVALID_ARG, "no prompt is taken here")
        if length > self._max_samples:
            return _failure(pb_utils.TritonError.INVALID_ARG, f"{length} samples are too many")
        if language == "x-internal":
            return _failure(pb_utils.TritonError.INTERNAL, "the recogniser failed")
        if language == "x-crash":
            os._exit(1)
        if language == "x-wait":
            return self._until_cancelled(request)
        if (self._marks / "wrong").exists():
            language = "x-wrong"
        return _words(length, "en" if language == "auto" else language)

    def _until_cancelled(self, request: Any) -> Any:
        (self._marks / "waiting").touch()
        for _ in range(1000):
            if request.is_cancelled():
                (self._marks / "cancelled").touch()
                return _failure(pb_utils.TritonError.CANCELLED, "cancelled")
            time.sleep(0.01)
        return _failure(pb_utils.TritonError.INTERNAL, "nobody cancelled")


def _input(request: Any, name: str) -> Any:
    return pb_utils.get_input_tensor_by_name(request, name).as_numpy().reshape(-1)


def _words(length: int, language: str) -> Any:
    starts = [second * SAMPLE_RATE_HZ for second in range(length // SAMPLE_RATE_HZ)]
    ends = [start + SAMPLE_RATE_HZ // 2 for start in starts]
    text = "wrong" if language == "x-wrong" else str(length)
    if language == "x-unordered":
        starts.reverse()
    if language == "x-short":
        ends = ends[:-1]
    columns = {
        "WORDS": np.array([f"{text}-{second}".encode() for second in range(len(starts))], np.object_),
        "START_SAMPLES": np.array(starts, np.int32),
        "END_SAMPLES": np.array(ends, np.int32),
        "CONFIDENCE": np.ones(len(starts), np.float32),
        "LANGUAGE_OUT": np.array([language.encode()], np.object_),
        "LANGUAGE_CONFIDENCE": np.ones(1, np.float32),
        "NO_SPEECH": np.array([0 if starts else 1], np.float32),
    }
    return pb_utils.InferenceResponse([pb_utils.Tensor(name, value.reshape(1, -1)) for name, value in columns.items()])


def _failure(code: int, message: str) -> Any:
    return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(message, code))
