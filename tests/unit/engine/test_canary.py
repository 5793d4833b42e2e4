import wave
from pathlib import Path

import numpy as np
import pytest

from stenod_server.domain.transcript import Word
from stenod_server.engine import canary
from stenod_server.errors import ContractViolation, TritonFailed
from stenod_server.ports import Int16Audio, RecognitionRequest, WindowResult
from tests.support.triton import write_canary


def test_case_and_punctuation_do_not_count() -> None:
    canary.compare("m", ["it", "was", "the", "best"], ["It", "was,", "the", "BEST."])


def test_one_word_in_five_may_differ() -> None:
    canary.compare("m", ["a", "b", "c", "d", "e"], ["a", "b", "c", "d", "x"])
    with pytest.raises(ContractViolation, match="2 of 5 words are wrong"):
        canary.compare("m", ["a", "b", "c", "d", "e"], ["a", "b", "c", "x", "y"])


def test_silence_from_a_deaf_recogniser_is_refused() -> None:
    with pytest.raises(ContractViolation, match="heard '' instead of 'a b'"):
        canary.compare("m", ["a", "b"], [])


@pytest.mark.parametrize(
    ("expected", "heard", "distance"),
    [("a b c", "a b c", 0), ("a b c", "", 3), ("", "a", 1), ("a b c", "a c", 1), ("a b c", "a x c y", 2)],
)
def test_distance_counts_edits(expected: str, heard: str, distance: int) -> None:
    assert canary.word_distance(expected.split(), heard.split()) == distance


def test_canaries_are_loaded_where_they_are(tmp_path: Path) -> None:
    for model in ("with", "without"):
        (tmp_path / model).mkdir()
    write_canary(tmp_path / "with", 32_000, ["a", "b"])
    loaded = canary.load_canaries(tmp_path, ["with", "without", "absent"])
    assert list(loaded) == ["with"]
    assert (len(loaded["with"].audio), loaded["with"].words) == (32_000, ("a", "b"))


@pytest.mark.parametrize("broken", ["no words file", "words of no list", "another rate", "no wave"])
def test_a_canary_that_cannot_be_read_is_named(tmp_path: Path, broken: str) -> None:
    entry = tmp_path / "m"
    entry.mkdir()
    write_canary(entry, 100, ["a"])
    if broken == "no words file":
        (entry / "canary.json").unlink()
    elif broken == "words of no list":
        (entry / "canary.json").write_text('{"words": 3}')
    elif broken == "no wave":
        (entry / "canary.wav").write_bytes(b"RIFF")
    else:
        with wave.open(str(entry / "canary.wav"), "wb") as opened:
            opened.setparams((1, 2, 8000, 0, "NONE", ""))
    with pytest.raises(TritonFailed, match=r"the canary of .*m"):
        canary.load_canaries(tmp_path, ["m"])


async def _hears_a(audio: Int16Audio, request: RecognitionRequest) -> WindowResult:
    assert request.interactive
    words = (Word("a", 0, len(audio), 1.0),)
    return WindowResult(words=words, language="en", language_confidence=1.0, no_speech=0.0)


async def test_a_model_must_hear_its_canary() -> None:
    audio = np.zeros(10, np.int16)
    await canary.check_model("m", canary.Canary(audio, ("A",)), _hears_a)
    with pytest.raises(ContractViolation):
        await canary.check_model("m", canary.Canary(audio, ("b",)), _hears_a)


async def test_a_model_without_canary_must_only_answer() -> None:
    await canary.check_model("m", None, _hears_a)
