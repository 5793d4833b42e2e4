"""What every Engine does: one body over the fake, alone and with patience, and a real Triton, whose model sleeps."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import numpy as np
import pytest

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.decoding import Decoding
from stenod_server.engine.embedded import EmbeddedTriton
from stenod_server.engine.fake import FAKE_PROFILE, FAKE_VOICE_PROFILE, FakeEngine
from stenod_server.engine.triton import TritonEngine
from stenod_server.errors import EngineUnavailable, InvalidField, ModelNotFound, WindowTimeout
from stenod_server.ports import Engine, Int16Audio, RecognitionRequest, VoiceSpan
from stenod_server.recognition.patient_engine import PatienceOptions, PatientEngine
from tests.support.triton import SLEEPER, SLEEPER_VOICES, WINDOW_MAX_SAMPLES, sleeper_triton

__all__ = ["sleeper_triton"]

REQUEST = RecognitionRequest(SLEEPER)


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """`slow_request`, sent to `slow_engine`, is answered only after a long time."""

    engine: Engine
    slow_engine: Engine
    slow_request: RecognitionRequest


@pytest.fixture
def fake_case() -> Case:
    profile = dataclasses.replace(FAKE_PROFILE, model=SLEEPER)
    voices = [dataclasses.replace(FAKE_VOICE_PROFILE, model=SLEEPER_VOICES)]
    engine = FakeEngine([profile], voice_profiles=voices)
    return Case(engine, FakeEngine([profile], fixed_delay_s=60.0, voice_profiles=voices), REQUEST)


@pytest.fixture
async def triton_case(sleeper_triton: EmbeddedTriton) -> AsyncIterator[Case]:
    engine = TritonEngine([sleeper_triton.url])
    await engine.start()
    await engine.wait_until_ready(20.0)
    yield Case(engine, engine, RecognitionRequest(SLEEPER, "x-wait"))
    await engine.close()


@pytest.fixture
def patient_case(fake_case: Case) -> Case:
    once = PatienceOptions(attempts=1)
    return Case(PatientEngine(fake_case.engine, once), PatientEngine(fake_case.slow_engine, once), REQUEST)


@pytest.fixture(params=["fake_case", "triton_case", "patient_case"])
def case(request: pytest.FixtureRequest) -> Case:
    made: Case = request.getfixturevalue(request.param)
    return made


def _audio(samples: int) -> Int16Audio:
    return np.zeros(samples, np.int16)


async def test_words_are_in_order_and_inside_the_window(case: Case) -> None:
    audio = _audio(3 * SAMPLE_RATE_HZ + 5)
    result = await case.engine.recognise(audio, REQUEST, timeout_s=20)
    assert [word.text for word in result.words] == ["48005-0", "48005-1", "48005-2"]
    offsets = [offset for word in result.words for offset in (word.start_samples, word.end_samples)]
    assert offsets == sorted(offsets)
    assert 0 <= offsets[0] < offsets[-1] <= len(audio)
    assert {word.language for word in result.words} == {result.language} == {"en"}


async def test_windows_sent_together_get_their_own_answers(case: Case) -> None:
    lengths = [(5 * index) % 7 * SAMPLE_RATE_HZ + index for index in range(16)]
    windows = (case.engine.recognise(_audio(length), REQUEST, timeout_s=20) for length in lengths)
    results = await asyncio.gather(*windows)
    for length, result in zip(lengths, results, strict=True):
        assert [word.text for word in result.words] == [f"{length}-{n}" for n in range(length // SAMPLE_RATE_HZ)]


@pytest.mark.parametrize("samples", [0, 100])
async def test_a_window_without_speech_has_no_words(case: Case, samples: int) -> None:
    result = await case.engine.recognise(_audio(samples), REQUEST, timeout_s=20)
    assert (result.words, result.no_speech) == ((), 1.0)


async def test_a_window_may_be_a_view_with_gaps(case: Case) -> None:
    result = await case.engine.recognise(_audio(2 * SAMPLE_RATE_HZ)[::2], REQUEST, timeout_s=20)
    assert [word.text for word in result.words] == ["16000-0"]


async def test_the_language_asked_for_is_passed_on(case: Case) -> None:
    request = RecognitionRequest(SLEEPER, "de", interactive=True)
    assert (await case.engine.recognise(_audio(SAMPLE_RATE_HZ), request, timeout_s=20)).language == "de"


async def test_an_unknown_model_is_not_found(case: Case) -> None:
    with pytest.raises(ModelNotFound, match="'nobody'"):
        await case.engine.recognise(_audio(9), RecognitionRequest("nobody"), timeout_s=20)


async def test_what_the_recogniser_refuses_is_the_callers_fault(case: Case) -> None:
    with pytest.raises(InvalidField, match="xx"):
        await case.engine.recognise(_audio(9), RecognitionRequest(SLEEPER, "xx"), timeout_s=20)


async def test_an_option_that_the_recogniser_does_not_take_is_the_callers_fault(case: Case) -> None:
    request = RecognitionRequest(SLEEPER, decoding=Decoding(prompt="Of harps."))
    with pytest.raises(InvalidField, match="prompt"):
        await case.engine.recognise(_audio(9), request, timeout_s=20)


async def test_a_window_that_is_too_long_is_refused(case: Case) -> None:
    with pytest.raises(InvalidField, match="samples"):
        await case.engine.recognise(_audio(WINDOW_MAX_SAMPLES + 1), REQUEST, timeout_s=20)


async def test_a_slow_window_times_out(case: Case) -> None:
    with pytest.raises(WindowTimeout):
        await case.slow_engine.recognise(_audio(9), case.slow_request, timeout_s=0.1)
    await case.engine.recognise(_audio(9), REQUEST, timeout_s=20)


async def test_a_cancelled_window_frees_the_engine(case: Case) -> None:
    window = asyncio.create_task(case.slow_engine.recognise(_audio(9), case.slow_request, timeout_s=60))
    await asyncio.sleep(0)
    window.cancel()
    with pytest.raises(asyncio.CancelledError):
        await window
    await case.engine.recognise(_audio(9), REQUEST, timeout_s=20)


async def test_loaded_recognisers_are_listed_with_their_profiles(case: Case) -> None:
    profiles = await case.engine.profiles()
    assert list(profiles) == [SLEEPER]
    assert profiles[SLEEPER].model == SLEEPER
    assert profiles[SLEEPER].window_max_samples == WINDOW_MAX_SAMPLES
    assert profiles[SLEEPER].default_engines == profiles[SLEEPER].max_batch_size * profiles[SLEEPER].instances * 2
    assert {"en", "de"} <= set(profiles[SLEEPER].languages)


@pytest.mark.parametrize("interactive", [False, True])
async def test_voices_are_heard_where_they_speak(case: Case, interactive: bool) -> None:  # noqa: FBT001
    audio = _audio(5 * SAMPLE_RATE_HZ + 7)
    audio[::SAMPLE_RATE_HZ] = [3, 0, 11, 1, 3, 5]  # 11 is 3 modulo 8; the last second is not whole
    heard = await case.engine.voices(audio, SLEEPER_VOICES, revision="1", interactive=interactive, timeout_s=20)
    assert heard.spans == tuple(
        VoiceSpan(second * SAMPLE_RATE_HZ, (second + 1) * SAMPLE_RATE_HZ, voice)
        for second, voice in ((0, 1), (2, 1), (3, 0), (4, 1))
    )
    assert [voice.clean_samples for voice in heard.voices] == [SAMPLE_RATE_HZ, 3 * SAMPLE_RATE_HZ]
    assert [voice.embedding.tolist() for voice in heard.voices] == [[0, 1, *[0] * 6], [0, 0, 0, 1, *[0] * 4]]


async def test_windows_sent_together_get_their_own_voices(case: Case) -> None:
    windows = [np.full(SAMPLE_RATE_HZ * (1 + number % 3), number, np.int16) for number in range(1, 8)]
    sent = (
        case.engine.voices(window, SLEEPER_VOICES, revision="1", interactive=False, timeout_s=20) for window in windows
    )
    for number, heard in enumerate(await asyncio.gather(*sent), start=1):
        assert [int(voice.embedding.argmax()) for voice in heard.voices] == [number]
        assert len(heard.spans) == 1 + number % 3


async def test_silence_has_no_voices(case: Case) -> None:
    heard = await case.engine.voices(_audio(100), SLEEPER_VOICES, revision="1", interactive=False, timeout_s=20)
    assert (heard.spans, heard.voices) == ((), ())


@pytest.mark.parametrize("model", ["nobody", SLEEPER])
async def test_voices_of_what_is_no_model_of_voices_are_not_found(case: Case, model: str) -> None:
    with pytest.raises(ModelNotFound, match=model):
        await case.engine.voices(_audio(9), model, revision="1", interactive=False, timeout_s=20)


async def test_another_revision_than_the_one_asked_for_hears_nothing(case: Case) -> None:
    with pytest.raises(EngineUnavailable, match="revision") as raised:
        await case.engine.voices(_audio(9), SLEEPER_VOICES, revision="2", interactive=False, timeout_s=20)
    assert not raised.value.absent


async def test_a_model_of_voices_recognises_nothing(case: Case) -> None:
    with pytest.raises(ModelNotFound, match=SLEEPER_VOICES):
        await case.engine.recognise(_audio(9), RecognitionRequest(SLEEPER_VOICES), timeout_s=20)


async def test_a_window_that_is_too_long_for_the_voices_is_refused(case: Case) -> None:
    with pytest.raises(InvalidField, match="samples"):
        await case.engine.voices(
            _audio(WINDOW_MAX_SAMPLES + 1), SLEEPER_VOICES, revision="1", interactive=False, timeout_s=20
        )


async def test_loaded_models_of_voices_are_listed_with_their_profiles(case: Case) -> None:
    profiles = await case.engine.voice_profiles()
    assert list(profiles) == [SLEEPER_VOICES]
    profile = profiles[SLEEPER_VOICES]
    assert (profile.model, profile.dimensions, profile.revision) == (SLEEPER_VOICES, 8, "1")
    assert profile.window_max_samples == WINDOW_MAX_SAMPLES


async def test_a_closed_engine_is_unavailable(case: Case) -> None:
    assert case.engine.is_ready()
    await case.engine.close()
    await case.engine.close()
    assert not case.engine.is_ready()
    with pytest.raises(EngineUnavailable):
        await case.engine.recognise(_audio(9), REQUEST, timeout_s=20)
    with pytest.raises(EngineUnavailable):
        await case.engine.profiles()
    with pytest.raises(EngineUnavailable):
        await case.engine.voices(_audio(9), SLEEPER_VOICES, revision="1", interactive=False, timeout_s=20)
    with pytest.raises(EngineUnavailable):
        await case.engine.voice_profiles()
