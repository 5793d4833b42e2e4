"""The Triton Python-backend model of every family; each model repository entry's model.py imports it.

Imported only inside Triton, where `triton_python_backend_utils` exists. What can be tested without Triton lives in
batching.py and model_config.py.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from stenod_models import contract
from stenod_models.batching import BatchLimits, WindowKey, bucket_of, group_windows, recognise_apart
from stenod_models.cancellation import Cancellation
from stenod_models.contract import RecognitionOptions
from stenod_models.families.registry import load_recogniser
from stenod_models.model_config import read_model_config
from stenod_models.open_batch import OpenBatch
from stenod_models.recogniser import Int16Audio, OpenRecogniser, Recogniser, Recognition
from stenod_models.triton_answers import answer, cancelled, failed, failure


@dataclass(frozen=True, slots=True)
class _Window:
    key: WindowKey
    audio: Int16Audio
    request: Any
    is_cancelled: Cancellation


class _Joining:
    """A window of the open batch, answered through Triton's sender whenever it is done."""

    def __init__(self, window: _Window) -> None:
        self.audio = window.audio.copy()  # the request's own memory goes with `execute`
        self.is_answered = False
        self._sender = window.request.get_response_sender()
        self.is_cancelled = Cancellation(self._sender.is_cancelled)

    def answer(self, result: Recognition | None) -> None:
        self._send(_response(result))

    def fail(self, error: Exception) -> None:
        self._send(failed(self, error))

    def _send(self, response: Any) -> None:
        self.is_answered = True
        self._sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


class TritonPythonModel:
    """Windows join an open batch where the model has one for their options; the others are batched by length, language
    and options. A bad request fails alone.
    """

    _recogniser: Recogniser
    _limits: BatchLimits
    _open: OpenBatch[_Joining] | None = None

    def initialize(self, args: dict[str, str]) -> None:
        """Load and warm the model; Triton reports it READY only after this returns."""
        served = read_model_config(
            json.loads(args["model_config"]),
            kind=args["model_instance_kind"],
            device_id=args["model_instance_device_id"],
        )
        artefacts = Path(args["model_repository"]) / args["model_version"]
        self._recogniser = load_recogniser(served.profile, artefacts, threads=served.threads, device=served.device)
        profile = served.profile
        self._limits = BatchLimits(
            profile.length_buckets_samples, profile.max_batch_size, self._recogniser.max_padding_ratio
        )
        self._recogniser.warm()
        if isinstance(self._recogniser, OpenRecogniser):
            self._open = OpenBatch(self._recogniser)

    def finalize(self) -> None:
        if self._open:
            self._open.close()

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """One response per request, in their order; None where it is sent later."""
        responses: list[Any] = [None] * len(requests)
        windows: list[_Window] = []
        for index, request in enumerate(requests):
            try:
                windows.append(self._read(index, request))
            except ValueError as error:
                responses[index] = failure(pb_utils.TritonError.INVALID_ARG, str(error))
        rest = self._without_joining(windows)
        by_index = {window.key.index: window for window in rest}
        for group in group_windows([window.key for window in rest], self._limits):
            members = [by_index[key.index] for key in group]
            for window, response in zip(members, recognise_apart(members, self._recognise, failed), strict=True):
                responses[window.key.index] = response
        return responses

    def _without_joining(self, windows: Sequence[_Window]) -> Sequence[_Window]:
        """Puts those that may join into the open batch; gives the others."""
        if self._open is None or not isinstance(self._recogniser, OpenRecogniser):
            return windows
        joins = [self._recogniser.joins(window.key.options) for window in windows]
        self._open.put([_Joining(window) for window, may in zip(windows, joins, strict=True) if may])
        return [window for window, may in zip(windows, joins, strict=True) if not may]

    def _read(self, index: int, request: Any) -> _Window:
        audio = pb_utils.get_input_tensor_by_name(request, contract.AUDIO).as_numpy().reshape(-1)
        language = _text(request, contract.LANGUAGE)
        options = _options(_text(request, contract.OPTIONS))
        self._recogniser.check(language, options)
        bucket_of(len(audio), self._recogniser.profile.length_buckets_samples)
        key = WindowKey(index, len(audio), language, options)
        return _Window(key, audio, request, Cancellation(request.is_cancelled))

    def _recognise(self, windows: Sequence[_Window]) -> list[Any]:
        results = self._recogniser.recognise(
            [window.audio for window in windows],
            language=windows[0].key.language,
            options=windows[0].key.options,
            is_cancelled=lambda row: windows[row].is_cancelled(),
        )
        return [_response(result) for result in results]


# All windows of a job bring the same text: with 1000 hotwords it takes 7 ms to parse, and 20 us to look up.
_options = lru_cache(maxsize=32)(RecognitionOptions.from_json)


def _text(request: Any, name: str) -> str:
    raw = pb_utils.get_input_tensor_by_name(request, name).as_numpy().reshape(-1)[0]
    try:
        return raw.decode() if isinstance(raw, bytes) else str(raw)
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8") from error


def _response(result: Recognition | None) -> Any:
    if result is None:
        return cancelled()
    words = result.words
    columns: dict[str, Any] = {
        contract.WORDS: np.array([word.text.encode() for word in words], np.object_),
        contract.START_SAMPLES: np.array([word.start_samples for word in words], np.int32),
        contract.END_SAMPLES: np.array([word.end_samples for word in words], np.int32),
        contract.CONFIDENCE: np.array([word.confidence for word in words], np.float32),
        contract.LANGUAGE_OUT: np.array([result.language.encode()], np.object_),
        contract.LANGUAGE_CONFIDENCE: np.array([result.language_confidence], np.float32),
        contract.NO_SPEECH: np.array([result.no_speech], np.float32),
    }
    return answer(columns)
