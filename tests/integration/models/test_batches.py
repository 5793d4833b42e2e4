"""A few rounds of the proof in tests/proofs/batches.py; Whisper's are in test_whisper_batch.py."""

from pathlib import Path
from typing import Literal

import pytest

from stenod_models.families.moonshine.runtime import MoonshineRecogniser
from stenod_models.recogniser import Recogniser
from tests.proofs.batches import compare, random_asks, random_parakeet, speech


def _differ(recogniser: Recogniser, *seeds: int) -> list[str]:
    """What differs, of windows of up to 8 s."""
    sources = speech()
    asked = {seed: random_asks(recogniser.profile, sources, seed, longest_s=8.0) for seed in seeds}
    found = [compare(recogniser, asks, seed) for seed, asks in asked.items()]
    assert sum(one.windows - one.batches for one in found) > len(found)  # some windows had mates
    assert sum(one.words for one in found) > len(found)
    return [str(one) for one in found if not one.holds]


def test_moonshine_says_in_a_batch_what_it_says_alone(recogniser: MoonshineRecogniser) -> None:
    assert _differ(recogniser, 0) == []


@pytest.mark.filterwarnings("ignore:Using the model-agnostic default")  # generate() of a length that it chose
@pytest.mark.parametrize("kind", ["tdt", "rnnt", "ctc"])
def test_parakeet_says_in_a_batch_what_it_says_alone(tmp_path: Path, kind: Literal["tdt", "rnnt", "ctc"]) -> None:
    pytest.importorskip("transformers")
    assert _differ(random_parakeet(tmp_path, kind), 0, 1) == []
