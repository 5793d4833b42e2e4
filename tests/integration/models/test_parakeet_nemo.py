"""An onnx-asr directory of a NeMo export: taken as it is, it says here what onnx-asr says."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("onnxscript")

from stenod_models.contract import RecognitionOptions
from stenod_models.decoding.hotwords import Phrase, PhraseTrie
from stenod_models.decoding.spellings import ends_word_of
from stenod_models.export.errors import ModelBuildError
from stenod_models.export.parakeet import VERSION, build
from stenod_models.export.pbtxt import profile_of
from stenod_models.families.parakeet.runtime import load_backend
from stenod_models.families.parakeet.search import Search
from stenod_models.families.parakeet.vocabulary import Vocabulary
from stenod_models.families.registry import load_recogniser
from tests.support.onnx_asr_peer import OnnxAsr
from tests.support.parakeet_checkpoints import (
    Kind,
    Reference,
    Shape,
    Window,
    export_as_nemo_does,
    make_checkpoint,
    window_of,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and transformers warn of their own doings

WINDOWS = [window_of(seconds, seed) for seed, seconds in enumerate((6.0, 0.9, 11.0, 3.1))]


@pytest.mark.parametrize("kind", ["tdt", "ctc"])  # and "rnnt" in tests/proofs/parakeet.py: an export takes seconds
def test_what_it_says_is_what_onnx_asr_says_of_the_same_directory(tmp_path: Path, kind: Kind) -> None:
    pytest.importorskip("onnx_asr")
    source = make_checkpoint(tmp_path / "source", Shape(kind, seed=3))
    export = export_as_nemo_does(Reference(source, kind), tmp_path / "export")
    phases: list[str] = []
    build(tmp_path / "entry", source=export, precision="fp32", report=lambda phase, _done: phases.append(phase))
    assert phases[-1].startswith("verified: ")
    entry = tmp_path / "entry"
    recogniser = load_recogniser(profile_of(entry / "config.pbtxt"), entry / VERSION, threads=1)
    found = recogniser.recognise(WINDOWS, language="en", options=RecognitionOptions())
    theirs = OnnxAsr(export, kind)
    words = 0
    for window, result in zip(WINDOWS, found, strict=True):
        text, starts = theirs.hear(window)
        assert result is not None
        assert "".join(word.text for word in result.words) == text
        assert {word.start_samples for word in result.words} <= set(starts)
        words += len(result.words)
    assert words > 10
    heard = [_found_with_phrases(version, WINDOWS[:2]) for version in (entry / VERSION, _built(source, tmp_path))]
    assert heard[0] == heard[1] != _found_with_phrases(entry / VERSION, WINDOWS[:2], boost=0.0)


def _built(source: Path, folder: Path) -> Path:
    build(folder / "ours", source=source, precision="fp32", report=lambda _phase, _done: None)
    return folder / "ours" / VERSION


def _found_with_phrases(version: Path, windows: Sequence[Window], boost: float = 3.0) -> list[list[int]]:
    """Greedily and with a beam."""
    backend = load_backend(version, threads=1, buckets_samples=(320_000,))
    ends_word = ends_word_of(Vocabulary.load(version).texts())
    phrases = [Phrase(tuple(pair), boost) for pair in np.random.default_rng(0).integers(10, 100, (60, 2)).tolist()]
    trie = PhraseTrie(phrases, ends_word)
    searches = (Search(trie=trie), Search(beam_size=3, trie=trie))
    found = [row for search in searches for row in backend.decode(windows, lambda _row: False, search)]
    return [row.tokens for row in found if row]


def test_a_directory_that_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    (tmp_path / "encoder-model.onnx").write_bytes(b"no graph")
    (tmp_path / "vocab.txt").write_text("a 0\n<blk> 1\n")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "nemo-conformer-tdt"}))
    with pytest.raises(ModelBuildError, match="no onnx-asr directory that can be read"):
        build(tmp_path / "entry", source=tmp_path, precision="fp32", report=lambda _phase, _done: None)
    shutil.rmtree(tmp_path / "entry")
    with pytest.raises(ModelBuildError, match="precision int8 cannot be had"):
        build(tmp_path / "entry", source=tmp_path, precision="int8", report=lambda _phase, _done: None)
    shutil.rmtree(tmp_path / "entry")
    (tmp_path / "vocab.txt").write_text("a 0\nb 1\n")
    with pytest.raises(ModelBuildError, match="<blk> among them"):
        build(tmp_path / "entry", source=tmp_path, precision="fp32", report=lambda _phase, _done: None)
