from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import InferInput, service_pb2
from tritonclient.grpc._utils import _get_inference_request

from stenod_server.engine.voices_wire import decode_voices, encode_voices
from stenod_server.errors import ContractViolation
from stenod_server.ports import VoiceSpan

Tensor = tuple[str, list[int], bytes]


@pytest.mark.parametrize("samples", [0, 1, 160_000])
@pytest.mark.parametrize("interactive", [False, True])
def test_a_request_is_what_tritonclient_would_send(samples: int, interactive: bool) -> None:  # noqa: FBT001
    audio = np.random.default_rng(samples).integers(-(2**15), 2**15, samples, np.int16)
    given = InferInput("AUDIO", [1, samples], "INT16").set_data_from_numpy(audio.reshape(1, -1))
    theirs = _get_inference_request(
        "m", [given], "", "", None, 0, False, False, 1 if interactive else 2, 6_000_000, None
    )
    ours = encode_voices(audio, "m", interactive=interactive, timeout_s=1.0)
    assert service_pb2.ModelInferRequest.FromString(ours) == theirs


def _ints(*values: int) -> Tensor:
    return "INT32", [1, len(values)], np.array(values, "<i4").tobytes()


def _floats(*values: float) -> Tensor:
    return "FP32", [1, len(values)], np.array(values, "<f4").tobytes()


def _response(**changes: Tensor | None) -> Any:
    outputs: dict[str, Tensor | None] = {
        "SPAN_START_SAMPLES": _ints(0, 3, 3),
        "SPAN_END_SAMPLES": _ints(5, 4, 9),
        "SPAN_VOICE": _ints(1, 0, 1),
        "EMBEDDINGS": _floats(0.0, 1.0, 0.6, -0.8),
        "CLEAN_SAMPLES": _ints(0, 7),
    }
    response = service_pb2.ModelInferResponse(model_name="m")
    for name, tensor in (outputs | changes).items():
        if tensor is not None:
            response.outputs.add(name=name, datatype=tensor[0], shape=tensor[1])
            response.raw_output_contents.append(tensor[2])
    return response


def test_an_answer_is_read_span_by_span_and_voice_by_voice() -> None:
    heard = decode_voices(_response(), length_samples=9, dimensions=2)
    assert heard.spans == (VoiceSpan(0, 5, 1), VoiceSpan(3, 4, 0), VoiceSpan(3, 9, 1))
    assert [voice.clean_samples for voice in heard.voices] == [0, 7]
    assert [voice.embedding.tolist() for voice in heard.voices] == [
        [0.0, 1.0],
        np.array([0.6, -0.8], np.float32).tolist(),
    ]
    assert {voice.embedding.dtype for voice in heard.voices} == {np.dtype(np.float32)}


def test_silence_is_an_answer() -> None:
    nothing = dict.fromkeys(("SPAN_START_SAMPLES", "SPAN_END_SAMPLES", "SPAN_VOICE", "CLEAN_SAMPLES"), _ints())
    heard = decode_voices(_response(**nothing, EMBEDDINGS=_floats()), length_samples=9, dimensions=2)
    assert (heard.spans, heard.voices) == ((), ())


BROKEN: dict[str, dict[str, Tensor | None]] = {
    "an output is missing": {"EMBEDDINGS": None},
    "another type": {"CLEAN_SAMPLES": ("INT64", [1, 2], bytes(16))},
    "no batch axis": {"SPAN_VOICE": ("INT32", [3], bytes(12))},
    "fewer ends than starts": {"SPAN_END_SAMPLES": _ints(5, 9)},
    "fewer voices than starts": {"SPAN_VOICE": _ints(0)},
    "out of order": {"SPAN_START_SAMPLES": _ints(3, 0, 3)},
    "an empty span": {"SPAN_END_SAMPLES": _ints(5, 3, 9)},
    "ends after the window": {"SPAN_END_SAMPLES": _ints(5, 4, 10)},
    "starts before the window": {"SPAN_START_SAMPLES": _ints(-1, 3, 3)},
    "a voice that is none": {"SPAN_VOICE": _ints(1, 0, 2)},
    "a voice below none": {"SPAN_VOICE": _ints(1, 0, -1)},
    "another number of dimensions": {"EMBEDDINGS": _floats(0.0, 1.0, 0.0, 0.0, 0.0, 1.0)},
    "an embedding that is not a number": {"EMBEDDINGS": _floats(np.nan, 1.0, 0.6, -0.8)},
    "an embedding of another length": {"EMBEDDINGS": _floats(0.0, 2.0, 0.6, -0.8)},
    "more clean speech than the window holds": {"CLEAN_SAMPLES": _ints(0, 10)},
    "less than none": {"CLEAN_SAMPLES": _ints(-1, 7)},
    "numpy 2 in the stub: numbers without bytes": {"SPAN_START_SAMPLES": ("INT32", [1, 3], b"")},
}


@pytest.mark.parametrize("changes", BROKEN.values(), ids=BROKEN.keys())
def test_an_answer_beside_the_contract_is_refused(changes: dict[str, Tensor | None]) -> None:
    with pytest.raises(ContractViolation):
        decode_voices(_response(**changes), length_samples=9, dimensions=2)
