"""Reduced form of tests/proofs/wer.py."""

from pathlib import Path

import pytest

import stenod
from tests.proofs.wer import compare
from tests.support.bare import bare_recogniser
from tests.support.speech import english_with_text, needs_speech

pytestmark = [pytest.mark.triton, *needs_speech]


async def test_the_service_hears_what_the_bare_recogniser_hears(client: stenod.Client, built_models_dir: Path) -> None:
    async with bare_recogniser(built_models_dir) as bare:
        found = await compare(client, bare, english_with_text()[::6])
    assert found.clips >= 15
    assert found.different == ()
    assert found.holds
    assert 2 < found.service < 20  # not a rate of nothing against nothing
