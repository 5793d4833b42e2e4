"""The default model behind a real tritonserver: ragged batches, failures that stay alone, cancellation, statistics."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.grpc.aio as triton_grpc
from tritonclient.grpc import InferInput, InferResult
from tritonclient.utils import InferenceServerException

from stenod_models import contract
from stenod_models.contract import Profile, RecognitionOptions
from stenod_server.engine.embedded import EmbeddedTriton
from tests.support.models import DEFAULT_MODEL, load_default_model, read_audio

pytestmark = pytest.mark.triton

Int16Audio = npt.NDArray[np.int16]


class Caller:
    """Speaks Triton's own protocol, so that nothing of the server's engine stands between."""

    def __init__(self, client: triton_grpc.InferenceServerClient) -> None:
        self.client = client

    async def recognise(self, audio: Int16Audio, *, language: str = "en", options: str = "") -> InferResult:
        tensors = [InferInput(contract.AUDIO, [1, len(audio)], "INT16").set_data_from_numpy(audio[None])]
        for name, text in ((contract.LANGUAGE, language), (contract.OPTIONS, options)):
            value = np.array([[text.encode()]], np.object_)
            tensors.append(InferInput(name, [1, 1], "BYTES").set_data_from_numpy(value))
        return await self.client.infer(DEFAULT_MODEL, tensors)

    async def executions(self) -> tuple[int, int]:
        """Requests that succeeded, and the batches they ran in."""
        answer = await self.client.get_inference_statistics(DEFAULT_MODEL)
        stats = answer.model_stats[0]
        return stats.inference_stats.success.count, stats.execution_count

    async def executions_once_counted(self, requests: int) -> tuple[int, int]:
        """Triton answers first and counts afterwards: ask until so many requests are counted."""
        async with asyncio.timeout(20):
            while (counted := await self.executions())[0] < requests:  # noqa: ASYNC110  Triton has no event for it
                await asyncio.sleep(0.01)
        return counted


def words_of(result: InferResult) -> list[str]:
    return [word.decode() for word in result.as_numpy(contract.WORDS)[0]]


@pytest.fixture
async def caller(embedded_triton: EmbeddedTriton) -> AsyncIterator[Caller]:
    client = triton_grpc.InferenceServerClient(embedded_triton.url)
    yield Caller(client)
    await client.close()


@pytest.fixture(scope="module")
def speech(embedded_triton: EmbeddedTriton) -> Int16Audio:
    return read_audio(embedded_triton.settings.models_dir / DEFAULT_MODEL / "samples" / "two_cities.wav")


async def test_ragged_requests_share_batches_and_say_what_they_say_alone(
    caller: Caller, speech: Int16Audio, built_models_dir: Path
) -> None:
    recogniser = load_default_model(built_models_dir)
    windows = [speech[start * 16_000 :][: length * 1_601] for start, length in enumerate([0, 20, 41, 62, 83, 104] * 4)]
    before = await caller.executions()
    results = await asyncio.gather(*(caller.recognise(window) for window in windows))
    after = await caller.executions_once_counted(before[0] + len(windows))
    for window, result in zip(windows, results, strict=True):
        (alone,) = recogniser.recognise([window], language="en", options=RecognitionOptions())
        assert alone is not None
        assert words_of(result) == [word.text for word in alone.words]
        starts, ends = (result.as_numpy(name)[0] for name in (contract.START_SAMPLES, contract.END_SAMPLES))
        assert starts.tolist() == [word.start_samples for word in alone.words]
        assert ends.tolist() == [word.end_samples for word in alone.words]
        assert np.allclose(result.as_numpy(contract.CONFIDENCE)[0], [word.confidence for word in alone.words])
    assert after[0] - before[0] == len(windows)
    assert after[1] - before[1] < len(windows)


async def test_a_short_window_does_not_wait_for_a_long_one(caller: Caller, speech: Int16Audio) -> None:
    long = asyncio.create_task(caller.recognise(speech[: 29 * 16_000]))
    short = asyncio.create_task(caller.recognise(speech[: 2 * 16_000]))
    done, _pending = await asyncio.wait([long, short], return_when=asyncio.FIRST_COMPLETED)
    assert done == {short}
    assert words_of(await short)[:3] == words_of(await long)[:3] == ["It", "was", "the"]


async def test_windows_that_cannot_join_the_open_batch_are_recognised_beside_it(
    caller: Caller, speech: Int16Audio
) -> None:
    windows = [speech[start * 16_000 :][: 5 * 16_000] for start in range(0, 16, 2)]
    options = ["", '{"beam_size": 2}', '{"mark_bias": -8.0}', '{"hotwords": [{"text": "belief"}]}']
    mixed = [(window, options[place % len(options)]) for place, window in enumerate(windows)]
    together = await asyncio.gather(*(caller.recognise(window, options=asked) for window, asked in mixed))
    for (window, asked), result in zip(mixed, together, strict=True):
        assert words_of(result) == words_of(await caller.recognise(window, options=asked))
        assert len(words_of(result)) > 3


async def test_every_output_has_the_type_and_rank_of_the_contract(caller: Caller, speech: Int16Audio) -> None:
    kinds = {"BYTES": np.object_, "INT32": np.int32, "FP32": np.float32}
    for window in (speech[:48_000], speech[:0]):
        result = await caller.recognise(window)
        arrays = {name: result.as_numpy(name) for name in contract.OUTPUTS}
        assert {name: array.dtype for name, array in arrays.items()} == {
            name: np.dtype(kinds[kind]) for name, kind in contract.OUTPUTS.items()
        }
        assert all(array.shape[0] == 1 and array.ndim == 2 for array in arrays.values())
        assert arrays[contract.LANGUAGE_OUT].tolist() == [[b"en"]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"language": "de"}, "knows English only"),
        ({"options": "nonsense"}, "Expecting value"),
        ({"options": '{"surprise": 1}'}, "surprise"),
        ({"options": '{"beam_size": 17}'}, "at most 16"),
        ({"audio": np.zeros(480_001, np.int16)}, "at most 480000"),
    ],
)
async def test_a_bad_request_fails_alone(
    caller: Caller, speech: Int16Audio, change: dict[str, object], message: str
) -> None:
    bad = {"audio": speech[:32_000]} | change
    answers = await asyncio.gather(
        caller.recognise(speech[:80_000]),
        caller.recognise(**bad),  # type: ignore[arg-type]
        caller.recognise(speech[:60_000]),
        return_exceptions=True,
    )
    assert isinstance(answers[1], InferenceServerException)
    assert answers[1].status() == "StatusCode.INVALID_ARGUMENT"
    assert message in answers[1].message()
    for answer in (answers[0], answers[2]):
        assert isinstance(answer, InferResult)
        assert words_of(answer)[:3] == ["It", "was", "the"]


async def test_cancelled_windows_leave_the_others_and_the_model_well(caller: Caller, speech: Int16Audio) -> None:
    tasks = [asyncio.create_task(caller.recognise(speech[:400_000])) for _ in range(12)]
    await asyncio.sleep(0.05)
    for task in tasks[::2]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
    kept = [words_of(answer) for answer in answers[1::2] if isinstance(answer, InferResult)]
    assert len(kept) == 6
    assert all(words == kept[0] for words in kept)
    assert words_of(await caller.recognise(speech[:80_000]))[:3] == ["It", "was", "the"]


async def test_the_profile_is_published(caller: Caller) -> None:
    config = await caller.client.get_model_config(DEFAULT_MODEL)
    profile = Profile.from_json(config.config.parameters[contract.PROFILE_PARAMETER].string_value)
    assert profile.model == DEFAULT_MODEL
    assert profile.max_batch_size == config.config.max_batch_size
    assert profile.instances == config.config.instance_group[0].count
