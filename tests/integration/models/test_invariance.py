"""A spread of the proof in tests/proofs/invariance.py, which takes every recording."""

from pathlib import Path

from stenod_models.families.moonshine.runtime import MoonshineRecogniser
from tests.proofs.invariance import PADDING_FRAMES, compare, english_windows
from tests.support.models import load_default_model
from tests.support.speech import needs_speech

pytestmark = needs_speech


def test_words_depend_on_neither_batch_mates_nor_padding(
    recogniser: MoonshineRecogniser, built_models_dir: Path
) -> None:
    padded = load_default_model(built_models_dir, padding_frames=PADDING_FRAMES)
    comparisons = compare(recogniser, padded, english_windows(24))
    assert len(comparisons) == 5
    assert [str(comparison) for comparison in comparisons if not comparison.holds] == []
