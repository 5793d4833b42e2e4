"""Beam and hotwords of the default model. The reader says "belief" last, cut short; greedily it hears another word."""

import gzip
import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from stenod_models.contract import Hotword, RecognitionOptions
from stenod_models.export.errors import ModelBuildError
from stenod_models.export.language_models import remove_language_model, set_language_model
from stenod_models.export.pbtxt import profile_of
from stenod_models.families.moonshine.runtime import MoonshineRecogniser
from stenod_models.language_model.fusion import LanguageModelUse
from stenod_models.recogniser import Recognition
from stenod_server.cli.language_models import set_those_of
from stenod_server.settings import load
from tests.support.models import DEFAULT_MODEL, load_default_model, read_audio

Audio = npt.NDArray[np.int16]
HZ = 16_000


@pytest.fixture(scope="module")
def speech(built_models_dir: Path) -> Audio:
    """44 s of reading."""
    return read_audio(built_models_dir / DEFAULT_MODEL / "samples" / "two_cities.wav")


def recognise(
    recogniser: MoonshineRecogniser, windows: Sequence[Audio], options: RecognitionOptions
) -> list[Recognition]:
    results = recogniser.recognise(windows, language="en", options=options)
    return [result for result in results if result is not None]


def texts(result: Recognition) -> list[str]:
    return [word.text for word in result.words]


def test_a_beam_of_one_says_what_greedy_decoding_says(recogniser: MoonshineRecogniser, speech: Audio) -> None:
    windows = [speech[: 10 * HZ], speech[10 * HZ : 16 * HZ], speech[20 * HZ : 24 * HZ]]
    alike = zip(
        recogniser._greedy(windows, lambda _row: False),
        recogniser._beam(windows, 1, (), lambda _row: False),
        strict=True,
    )
    for greedy, beam in alike:
        assert greedy is not None
        assert beam is not None
        assert greedy[0].tokens == beam[0].tokens
        assert beam[0].probabilities == pytest.approx(greedy[0].probabilities, rel=1e-3)
        np.testing.assert_allclose(beam[1], greedy[1][: len(beam[1])], atol=1e-4)


def test_marks_are_set_more_or_less_readily(recogniser: MoonshineRecogniser, speech: Audio) -> None:
    windows = [speech[start * HZ : (start + 11) * HZ] for start in (0, 11, 22, 33)]

    def heard(bias: float, beam_size: int = 1) -> list[str]:
        options = RecognitionOptions(mark_bias=bias, beam_size=beam_size)
        return [text for result in recognise(recogniser, windows, options) for text in texts(result)]

    def marks(words: Sequence[str]) -> int:
        return sum(not word[-1].isalnum() for word in words)

    usual, few = heard(0.0), heard(-8.0)
    assert marks(few) < marks(usual) / 4
    assert [word.strip(".,") for word in usual] == [word.strip(".,") for word in few]
    assert marks(heard(-8.0, beam_size=2)) < marks(usual) / 4
    assert marks(heard(3.0)) > marks(usual)


def test_a_beam_hears_what_greedy_decoding_misses(recogniser: MoonshineRecogniser, speech: Audio) -> None:
    (greedy,) = recognise(recogniser, [speech[: 10 * HZ]], RecognitionOptions())
    (beam,) = recognise(recogniser, [speech[: 10 * HZ]], RecognitionOptions(beam_size=4))
    assert texts(greedy)[-1] != "belief."
    assert texts(beam)[-1] == "belief."
    assert texts(beam)[:-1] == texts(greedy)[:-1]
    for mine, other in zip(beam.words[:-1], greedy.words, strict=False):
        assert (mine.start_samples, mine.end_samples) == pytest.approx(
            (other.start_samples, other.end_samples), abs=800
        )


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_hotword_is_heard_among_a_thousand(recogniser: MoonshineRecogniser, speech: Audio, beam_size: int) -> None:
    others = tuple(Hotword(f"unheard{number}") for number in range(999))
    options = RecognitionOptions(beam_size=beam_size, hotwords=(*others, Hotword("belief", 3.0)))
    (result,) = recognise(recogniser, [speech[: 10 * HZ]], options)
    assert texts(result)[-1] == "belief."


def test_what_a_hotword_sounds_like_is_written_as_it_is(recogniser: MoonshineRecogniser, speech: Audio) -> None:
    hotword = Hotword("The Times", sounds_like=("times",))
    (plain,) = recognise(recogniser, [speech[: 10 * HZ]], RecognitionOptions())
    (result,) = recognise(recogniser, [speech[: 10 * HZ]], RecognitionOptions(hotwords=(hotword,)))
    assert texts(plain)[:6] == ["It", "was", "the", "best", "of", "times."]
    assert texts(result)[:7] == ["It", "was", "the", "best", "of", "The", "Times."]
    assert result.words[5].start_samples == plain.words[5].start_samples
    assert result.words[6].end_samples == plain.words[5].end_samples


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_window_gives_in_a_batch_what_it_gives_alone(
    recogniser: MoonshineRecogniser, speech: Audio, beam_size: int
) -> None:
    options = RecognitionOptions(beam_size=beam_size, hotwords=(Hotword("belief"), Hotword("season of light")))
    windows = [speech[begin * HZ : end * HZ] for begin, end in ((0, 10), (10, 13), (13, 28), (30, 31), (31, 44))]
    together = recognise(recogniser, windows, options)
    for window, result in zip(windows, together, strict=True):
        (alone,) = recognise(recogniser, [window], options)
        assert texts(alone) == texts(result)
        for mine, other in zip(alone.words, result.words, strict=True):
            assert replace(mine, confidence=0) == replace(other, confidence=0)
            assert mine.confidence == pytest.approx(other.confidence, abs=1e-3)


def test_a_cancelled_window_gives_none_and_its_mates_their_words(
    recogniser: MoonshineRecogniser, speech: Audio
) -> None:
    options = RecognitionOptions(beam_size=2)
    windows = [speech[: 3 * HZ], speech[: 8 * HZ]]
    polls = 0

    def is_cancelled(index: int) -> bool:
        nonlocal polls
        polls += index == 1
        return index == 1 and polls > 5

    results = recogniser.recognise(windows, language="en", options=options, is_cancelled=is_cancelled)
    assert results[1] is None
    assert results[0] == recognise(recogniser, windows[:1], options)[0]


def arpa(*likely: str) -> str:
    words = ["it", "was", "the", "best", "of", "times", "worst", "age", "wisdom", "foolishness", "epoch"]
    scored = ["-3 <unk>", "-1 </s>", *(f"-1.5 {word}" for word in words), *(f"-0.3 {word}" for word in likely)]
    return "\n".join(["\\data\\", f"ngram 1={len(scored)}", "", "\\1-grams:", *scored, "", "\\end\\", ""])


@pytest.fixture
def models_dir(built_models_dir: Path, tmp_path: Path) -> Path:
    """With a copy of the default model that may be changed."""
    shutil.copytree(built_models_dir / DEFAULT_MODEL, tmp_path / DEFAULT_MODEL)
    return tmp_path


def heard_by(models_dir: Path, speech: Audio, options: RecognitionOptions) -> str:
    """The last word of ten seconds."""
    (result,) = recognise(load_default_model(models_dir), [speech[: 10 * HZ]], options)
    return texts(result)[-1]


def test_a_language_model_that_is_set_decides_what_every_job_hears(models_dir: Path, speech: Audio) -> None:
    entry = models_dir / DEFAULT_MODEL
    config, record = (entry / "config.pbtxt").read_text(), (entry / "entry.json").read_text()
    file = models_dir / "law.arpa"
    file.write_text(arpa("belief"))
    assert heard_by(models_dir, speech, RecognitionOptions()) != "belief."
    set_those_of(load(models_dir=models_dir, language_models={"*": {"path": file, "beam_size": 5}}))
    assert heard_by(models_dir, speech, RecognitionOptions()) == "belief."
    assert json.loads((entry / "entry.json").read_text())["language_model"] == {
        "file": "law.arpa",
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "weight": 0.5,
        "word_bonus": 0.0,
        "beam_size": 5,
    }
    assert profile_of(entry / "config.pbtxt").revision not in config
    assert not set_language_model(DEFAULT_MODEL, models_dir, file, LanguageModelUse(beam_size=5))

    zipped = models_dir / "other"
    zipped.write_bytes(gzip.compress(arpa("bullishness").encode()))
    assert set_language_model(DEFAULT_MODEL, models_dir, zipped, LanguageModelUse(beam_size=5))
    assert heard_by(models_dir, speech, RecognitionOptions(beam_size=5)) == "bullishness."

    assert remove_language_model(DEFAULT_MODEL, models_dir)
    assert not remove_language_model(DEFAULT_MODEL, models_dir)
    assert ((entry / "config.pbtxt").read_text(), (entry / "entry.json").read_text()) == (config, record)
    assert heard_by(models_dir, speech, RecognitionOptions()) != "belief."
    assert not list(models_dir.glob(".*"))


@pytest.mark.parametrize(
    ("text", "use", "problem"),
    [
        ("nonsense", LanguageModelUse(), "law.arpa is no ARPA model: .*line 1"),
        ("\0" * 9, LanguageModelUse(), "is no ARPA model"),
        (arpa("belief"), LanguageModelUse(beam_size=17), "searches with at most 16"),
        (arpa("hoof", "hoop"), LanguageModelUse(weight=30.0, beam_size=4), "no longer understands its canary"),
    ],
    ids=["no model", "bytes", "too wide a beam", "too much weight"],
)
def test_what_would_make_it_worse_or_stop_it_is_not_set(
    models_dir: Path, text: str, use: LanguageModelUse, problem: str
) -> None:
    before = (models_dir / DEFAULT_MODEL / "entry.json").read_bytes()
    file = models_dir / "law.arpa"
    file.write_text(text)
    with pytest.raises(ModelBuildError, match=problem):
        set_language_model(DEFAULT_MODEL, models_dir, file, use)
    with pytest.raises(ModelBuildError, match="there is no model other"):
        set_language_model("other", models_dir, file, use)
    assert (models_dir / DEFAULT_MODEL / "entry.json").read_bytes() == before
    assert {path.name for path in models_dir.iterdir()} == {DEFAULT_MODEL, "law.arpa"}
