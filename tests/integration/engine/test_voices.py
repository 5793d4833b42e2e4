"""The model of voices in a real Triton, asked by the engine: what it hears is what it hears in this process."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from stenod_models.export.pbtxt import voices_profile_of
from stenod_models.families.registry import load_voices
from stenod_server.engine.embedded import EmbeddedTriton
from stenod_server.engine.triton import TritonEngine
from stenod_server.errors import InvalidField
from tests.support.models import DEFAULT_MODEL, VOICES_MODEL, read_audio

REVISION = "campplus-92f29b94e6948786-1"


@pytest.fixture
async def engine(embedded_triton: EmbeddedTriton) -> AsyncIterator[TritonEngine]:
    engine = TritonEngine([embedded_triton.url])
    await engine.start()
    await engine.wait_until_ready(60.0)
    yield engine
    await engine.close()


async def test_windows_sent_together_are_heard_as_each_is_alone(
    engine: TritonEngine, embedded_triton: EmbeddedTriton
) -> None:
    entry = embedded_triton.settings.models_dir / VOICES_MODEL
    model = load_voices(voices_profile_of(entry / "config.pbtxt"), entry / "1", threads=1)
    speech = read_audio(embedded_triton.settings.models_dir / DEFAULT_MODEL / "samples" / "two_cities.wav")
    windows = [speech[:200_000], speech[200_000:230_000], np.zeros(20_000, np.int16), speech[:9_000], speech[:0]]
    sent = (
        engine.voices(window, VOICES_MODEL, revision=REVISION, interactive=False, timeout_s=60.0) for window in windows
    )
    together = await asyncio.gather(*sent)
    assert together[0].voices
    for window, found in zip(windows, together, strict=True):
        (alone,) = model.voices([window])
        assert alone is not None
        spans = zip(alone.span_start_samples, alone.span_end_samples, alone.span_voice, strict=True)
        assert [(span.start_samples, span.end_samples, span.voice) for span in found.spans] == list(spans)
        assert [voice.clean_samples for voice in found.voices] == alone.clean_samples.tolist()
        for voice, expected in zip(found.voices, alone.embeddings, strict=True):
            np.testing.assert_allclose(voice.embedding, expected, atol=1e-5)


async def test_it_is_listed_apart_from_the_recognisers(engine: TritonEngine) -> None:
    assert list(await engine.profiles()) == [DEFAULT_MODEL]
    profiles = await engine.voice_profiles()
    assert list(profiles) == [VOICES_MODEL]
    assert (profiles[VOICES_MODEL].dimensions, profiles[VOICES_MODEL].revision) == (192, REVISION)


async def test_a_window_that_is_too_long_fails_alone(engine: TritonEngine) -> None:
    good = engine.voices(np.zeros(16_000, np.int16), VOICES_MODEL, revision=REVISION, interactive=True, timeout_s=60.0)
    bad = engine.voices(np.zeros(480_001, np.int16), VOICES_MODEL, revision=REVISION, interactive=True, timeout_s=60.0)
    heard, refused = await asyncio.gather(good, bad, return_exceptions=True)
    assert not isinstance(heard, BaseException)
    assert isinstance(refused, InvalidField)
    assert "at most 480000" in refused.message
