"""The Triton Python-backend model of every family of voices; each model repository entry's model.py imports it.

Imported only inside Triton, where `triton_python_backend_utils` exists.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from stenod_models import contract
from stenod_models.batching import recognise_apart
from stenod_models.cancellation import Cancellation
from stenod_models.families.registry import load_voices
from stenod_models.model_config import read_voices_config
from stenod_models.recogniser import Int16Audio
from stenod_models.triton_answers import answer, cancelled, failed, failure
from stenod_models.voices import HeardVoices, VoicesModel


@dataclass(frozen=True, slots=True)
class _Window:
    index: int
    audio: Int16Audio
    is_cancelled: Cancellation


class TritonPythonModel:
    """All windows of a call are one batch; a bad request fails alone."""

    _model: VoicesModel

    def initialize(self, args: dict[str, str]) -> None:
        """Load and warm the model; Triton reports it READY only after this returns."""
        served = read_voices_config(
            json.loads(args["model_config"]),
            kind=args["model_instance_kind"],
            device_id=args["model_instance_device_id"],
        )
        artefacts = Path(args["model_repository"]) / args["model_version"]
        self._model = load_voices(served.profile, artefacts, threads=served.threads, device=served.device)
        self._model.warm()

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """One response per request, in their order."""
        responses: list[Any] = [None] * len(requests)
        windows: list[_Window] = []
        longest = self._model.profile.window_max_samples
        for index, request in enumerate(requests):
            audio = pb_utils.get_input_tensor_by_name(request, contract.AUDIO).as_numpy().reshape(-1)
            if len(audio) > longest:
                problem = f"AUDIO has {len(audio)} samples; this model takes at most {longest}"
                responses[index] = failure(pb_utils.TritonError.INVALID_ARG, problem)
            else:
                windows.append(_Window(index, audio, Cancellation(request.is_cancelled)))
        if windows:
            for window, response in zip(windows, recognise_apart(windows, self._voices, failed), strict=True):
                responses[window.index] = response
        return responses

    def _voices(self, windows: Sequence[_Window]) -> list[Any]:
        heard = self._model.voices(
            [window.audio for window in windows], is_cancelled=lambda row: windows[row].is_cancelled()
        )
        return [cancelled() if voices is None else _response(voices) for voices in heard]


def _response(voices: HeardVoices) -> Any:
    columns: dict[str, Any] = {
        contract.SPAN_START_SAMPLES: voices.span_start_samples.astype(np.int32),
        contract.SPAN_END_SAMPLES: voices.span_end_samples.astype(np.int32),
        contract.SPAN_VOICE: voices.span_voice.astype(np.int32),
        contract.EMBEDDINGS: voices.embeddings.astype(np.float32),
        contract.CLEAN_SAMPLES: voices.clean_samples.astype(np.int32),
    }
    return answer(columns)
