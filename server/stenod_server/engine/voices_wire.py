"""A window as the bytes of a ModelInferRequest to a model of voices, and its answer as WindowVoices. No I/O."""

from typing import Any, Final

import numpy as np

from stenod_models import contract
from stenod_server.engine.tensors import Tensors, add_audio, request_head, require, serialised
from stenod_server.ports import Int16Audio, Voice, VoiceSpan, WindowVoices

_LENGTH_TOLERANCE: Final = 1e-3


def encode_voices(audio: Int16Audio, model: str, *, interactive: bool, timeout_s: float) -> bytes:
    """The serialised ModelInferRequest for int16 (samples,). Copies the audio once."""
    head = request_head(model, interactive=interactive, timeout_s=timeout_s)
    return serialised(head, (add_audio(head, audio),))


def decode_voices(response: Any, *, length_samples: int, dimensions: int) -> WindowVoices:
    """Read a ModelInferResponse. Raises ContractViolation for anything that contract.py does not allow."""
    tensors = Tensors(response, contract.VOICES_OUTPUTS)
    clean_samples = tensors.numbers(contract.CLEAN_SAMPLES).tolist()
    flat = tensors.numbers(contract.EMBEDDINGS, len(clean_samples) * dimensions)
    embeddings = flat.astype(np.float32).reshape(-1, dimensions)
    lengths = np.linalg.norm(embeddings, axis=1)
    # Written so that a NaN fails as well.
    require(bool((np.abs(lengths - 1.0) <= _LENGTH_TOLERANCE).all()), "an embedding is not of length 1")
    require(all(0 <= clean <= length_samples for clean in clean_samples), "CLEAN_SAMPLES are not in the window")
    voices = tuple(Voice(embedding, clean) for embedding, clean in zip(embeddings, clean_samples, strict=True))
    return WindowVoices(_spans(tensors, length_samples, len(voices)), voices)


def _spans(tensors: Tensors, length_samples: int, voices: int) -> tuple[VoiceSpan, ...]:
    starts = tensors.numbers(contract.SPAN_START_SAMPLES).tolist()
    ends = tensors.numbers(contract.SPAN_END_SAMPLES, len(starts)).tolist()
    numbers = tensors.numbers(contract.SPAN_VOICE, len(starts)).tolist()
    before = 0
    for start, end, voice in zip(starts, ends, numbers, strict=True):
        require(before <= start < end <= length_samples, "the spans are not in order and inside the window")
        require(0 <= voice < voices, f"SPAN_VOICE names voice {voice} of {voices}")
        before = start
    return tuple(VoiceSpan(*span) for span in zip(starts, ends, numbers, strict=True))
