"""What is large goes through every way in without being in memory: `make prove-uploads`, with a smaller file."""

from pathlib import Path

import pytest

from tests.proofs import uploads
from tests.support.speech import needs_speech

pytestmark = [pytest.mark.triton, *needs_speech]

SIZE_MIB = 48


async def test_a_large_recording_passes_through_every_way_in(
    built_models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "ALLOWED_MIB", SIZE_MIB * 0.75)
    found = await uploads.passages(tmp_path, built_models_dir, SIZE_MIB)
    assert len(found) == 7
    assert uploads.problems(found, is_too_large_for_the_guide=False) == []
