"""Reduced forms of tests/proofs/wer.py and tests/proofs/word_times.py."""

from pathlib import Path

import pytest

import stenod
from tests.proofs.wer import compare
from tests.proofs.word_times import ALLOWED_MEDIAN_S, judge, listen, read_oracle
from tests.support.bare import bare_recogniser
from tests.support.speech import english_with_text, needs_speech, recordings

# faster-whisper 1.2.1, Whisper base in int8, beam 5, word_timestamps; made by `python -m bench.word_times`.
ORACLE = Path(__file__).parent / "assets" / "word_times_faster_whisper_base.json"

pytestmark = [pytest.mark.triton, *needs_speech]


async def test_the_service_hears_what_the_bare_recogniser_hears(client: stenod.Client, built_models_dir: Path) -> None:
    async with bare_recogniser(built_models_dir) as bare:
        found = await compare(client, bare, english_with_text()[::6])
    assert found.clips >= 15
    assert found.different == ()
    assert found.holds
    assert 2 < found.service < 20  # not a rate of nothing against nothing


async def test_word_times_are_those_of_another_recogniser(client: stenod.Client) -> None:
    oracle = read_oracle(ORACLE)
    heard = await listen(client, {r.id: r.path for r in recordings() if r.id in oracle})
    assert set(heard) == set(oracle)
    assert all(one.is_orderly for one in heard.values())
    found = judge(heard, oracle)
    assert found.pairs >= 150
    assert found.start_median_s <= ALLOWED_MEDIAN_S
