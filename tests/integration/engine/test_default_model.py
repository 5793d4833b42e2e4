"""The real default model behind a real Triton, through the engine."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from stenod_server.engine.canary import Canary, compare, load_canaries
from stenod_server.engine.embedded import EmbeddedTriton, TritonState
from stenod_server.errors import TritonFailed
from stenod_server.ports import RecognitionRequest
from tests.integration.engine.conftest import statistics_when
from tests.support.models import DEFAULT_MODEL

pytestmark = pytest.mark.triton


@pytest.fixture
def canaries(built_models_dir: Path) -> Mapping[str, Canary]:
    return load_canaries(built_models_dir, [DEFAULT_MODEL])


async def test_the_canary_is_heard_in_any_batch(
    embedded_triton: EmbeddedTriton, canaries: Mapping[str, Canary]
) -> None:
    canary = canaries[DEFAULT_MODEL]
    request = RecognitionRequest(DEFAULT_MODEL)
    # Neighbours of other lengths, so that Triton mixes the batch.
    windows = [canary.audio[: len(canary.audio) - 16_000 * index] for index in range(8)]
    results = await asyncio.gather(
        *(embedded_triton.engine.recognise(audio, request, timeout_s=60) for audio in windows)
    )
    compare(DEFAULT_MODEL, canary.words, [word.text for word in results[0].words])
    await statistics_when(embedded_triton.engine, lambda counts: max(counts) > 1)


async def test_the_real_model_with_the_words_of_another_recording_is_not_served(
    embedded_triton: EmbeddedTriton, tmp_path: Path
) -> None:
    """What a silently wrong recogniser looks like: everything says READY, the words are others."""
    models = tmp_path / "models"
    models.mkdir()
    entry = models / DEFAULT_MODEL
    entry.mkdir()
    for file in (embedded_triton.settings.models_dir / DEFAULT_MODEL).iterdir():
        (entry / file.name).symlink_to(file)
    (entry / "canary.json").unlink()
    (entry / "canary.json").write_text('{"words": ["call", "me", "ishmael"]}')
    settings = replace(embedded_triton.settings, data_dir=tmp_path / "data", models_dir=models, models=[DEFAULT_MODEL])
    wrong = EmbeddedTriton(settings)
    with pytest.raises(TritonFailed, match="fails its canary"):
        await wrong.start()
    assert wrong.state is TritonState.STOPPED
