"""The probes over the life of a node, as `make prove-probes` prints them."""

from pathlib import Path

import pytest

from tests.proofs.probes import life
from tests.support.speech import needs_speech

pytestmark = [pytest.mark.triton, *needs_speech]


async def test_the_probes_say_how_the_node_is(built_models_dir: Path, tmp_path: Path) -> None:
    moments = await life(tmp_path, built_models_dir)
    assert [moment for moment in moments if not moment.holds] == []
    assert len(moments) == 8
