from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import InferInput, service_pb2
from tritonclient.grpc._utils import _get_inference_request

from stenod_models.contract import Hotword, RecognitionOptions
from stenod_server.domain.decoding import Decoding, Task, VocabularyEntry
from stenod_server.engine.wire import decode_window, encode_window
from stenod_server.errors import ContractViolation
from stenod_server.ports import Int16Audio, RecognitionRequest


def _as_tritonclient_builds_it(audio: Int16Audio, request: RecognitionRequest, timeout_us: int) -> Any:
    samples = InferInput("AUDIO", [1, len(audio)], "INT16").set_data_from_numpy(audio.reshape(1, -1))
    options = RecognitionOptions().to_json()
    texts = [
        InferInput(name, [1, 1], "BYTES").set_data_from_numpy(np.array([[text.encode()]], np.object_))
        for name, text in (("LANGUAGE", request.language), ("OPTIONS", options))
    ]
    priority = 1 if request.interactive else 2
    return _get_inference_request(
        request.model, [samples, *texts], "", "", None, 0, False, False, priority, timeout_us, None
    )


@pytest.mark.parametrize("samples", [0, 1, 63, 64, 8191, 8192, 160_000])
@pytest.mark.parametrize("interactive", [False, True])
def test_a_request_is_what_tritonclient_would_send(samples: int, interactive: bool) -> None:  # noqa: FBT001
    audio = np.random.default_rng(samples).integers(-(2**15), 2**15, samples, np.int16)
    request = RecognitionRequest("m", "en-GB", interactive=interactive)
    ours = service_pb2.ModelInferRequest.FromString(encode_window(audio, request, timeout_s=1.0))
    assert ours == _as_tritonclient_builds_it(audio, request, 6_000_000)


def test_what_is_asked_of_the_recogniser_is_sent_as_the_contract_has_it() -> None:
    vocabulary = (VocabularyEntry("Aoife", ("eefa",), 3.0), VocabularyEntry("Sinn Féin"))
    decoding = Decoding(task=Task.TRANSLATE, vocabulary=vocabulary, beam_size=5, prompt="Of harps.", mark_bias=-2.0)
    request = RecognitionRequest("m", decoding=decoding)
    sent = service_pb2.ModelInferRequest.FromString(encode_window(np.zeros(9, np.int16), request, timeout_s=1.0))
    hotwords = (Hotword("Aoife", 3.0, ("eefa",)), Hotword("Sinn Féin"))
    options = RecognitionOptions.from_json(sent.raw_input_contents[2][4:].decode())
    assert options == RecognitionOptions("translate", 5, hotwords, "Of harps.", -2.0)


def test_a_strided_slice_is_sent_as_its_samples() -> None:
    audio = np.arange(10, dtype=np.int16)[::2]
    sent = service_pb2.ModelInferRequest.FromString(encode_window(audio, RecognitionRequest("m"), timeout_s=1.0))
    assert np.frombuffer(sent.raw_input_contents[0], np.int16).tolist() == [0, 2, 4, 6, 8]


def _response(**changes: tuple[str, list[int], bytes] | None) -> Any:
    outputs: dict[str, tuple[str, list[int], bytes] | None] = {
        "WORDS": ("BYTES", [1, 2], b"\x03\0\0\0Gr\xc3\x02\0\0\0ab"),
        "START_SAMPLES": ("INT32", [1, 2], np.array([0, 5], "<i4").tobytes()),
        "END_SAMPLES": ("INT32", [1, 2], np.array([5, 9], "<i4").tobytes()),
        "CONFIDENCE": ("FP32", [1, 2], np.array([0.5, 1.0], "<f4").tobytes()),
        "LANGUAGE_OUT": ("BYTES", [1, 1], b"\x02\0\0\0en"),
        "LANGUAGE_CONFIDENCE": ("FP32", [1, 1], np.array([0.25], "<f4").tobytes()),
        "NO_SPEECH": ("FP32", [1, 1], np.array([0.0], "<f4").tobytes()),
    }
    response = service_pb2.ModelInferResponse(model_name="m")
    for name, tensor in (outputs | changes).items():
        if tensor is not None:
            response.outputs.add(name=name, datatype=tensor[0], shape=tensor[1])
            response.raw_output_contents.append(tensor[2])
    return response


def test_an_answer_is_read_word_by_word() -> None:
    result = decode_window(_response(), length_samples=9)
    assert [(word.start_samples, word.end_samples, word.confidence) for word in result.words] == [
        (0, 5, 0.5),
        (5, 9, 1.0),
    ]
    assert (result.words[1].text, result.words[1].language) == ("ab", "en")
    assert (result.language, result.language_confidence, result.no_speech) == ("en", 0.25, 0.0)


def test_bytes_that_are_not_utf8_do_not_lose_the_window() -> None:
    assert decode_window(_response(), length_samples=9).words[0].text == "Gr�"


def _ints(*values: int) -> tuple[str, list[int], bytes]:
    return "INT32", [1, len(values)], np.array(values, "<i4").tobytes()


BROKEN: dict[str, dict[str, tuple[str, list[int], bytes] | None]] = {
    "an output is missing": {"NO_SPEECH": None},
    "another type": {"CONFIDENCE": ("FP64", [1, 2], bytes(16))},
    "no batch axis": {"START_SAMPLES": ("INT32", [2], bytes(8))},
    "fewer starts than words": {"START_SAMPLES": _ints(0)},
    "out of order": {"START_SAMPLES": _ints(5, 0)},
    "ends before it starts": {"END_SAMPLES": _ints(5, 4)},
    "ends after the window": {"END_SAMPLES": _ints(5, 10)},
    "starts before the window": {"START_SAMPLES": _ints(-1, 5)},
    "confidence is not a number": {"CONFIDENCE": ("FP32", [1, 2], np.array([np.nan, 1], "<f4").tobytes())},
    "confidence above 1": {"CONFIDENCE": ("FP32", [1, 2], np.array([0, 1.5], "<f4").tobytes())},
    "numpy 2 in the stub: words without bytes": {"WORDS": ("BYTES", [1, 2], b"")},
    "numpy 2 in the stub: numbers without bytes": {"START_SAMPLES": ("INT32", [1, 2], b"")},
    "a string longer than its bytes": {"LANGUAGE_OUT": ("BYTES", [1, 1], b"\x09\0\0\0en")},
    "bytes after the last string": {"LANGUAGE_OUT": ("BYTES", [1, 1], b"\x02\0\0\0en!")},
    "no language": {"LANGUAGE_OUT": ("BYTES", [1, 1], bytes(4))},
}


@pytest.mark.parametrize("changes", BROKEN.values(), ids=BROKEN.keys())
def test_an_answer_beside_the_contract_is_refused(changes: dict[str, tuple[str, list[int], bytes] | None]) -> None:
    with pytest.raises(ContractViolation):
        decode_window(_response(**changes), length_samples=9)


def test_outputs_in_shared_memory_are_refused() -> None:
    response = _response()
    del response.raw_output_contents[:]
    with pytest.raises(ContractViolation, match="without their bytes"):
        decode_window(response, length_samples=9)
