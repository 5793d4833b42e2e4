"""Hotwords and beams on checkpoints built as `stenod models add` builds them: what a slow decoder makes of all of
transformers' own logits. NeMo's graphs are tried in test_parakeet_nemo.py.
"""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from stenod_models.decoding.hotwords import Phrase, PhraseTrie
from stenod_models.decoding.spellings import ends_word_of
from stenod_models.export.parakeet import VERSION, build
from stenod_models.families.parakeet.architecture import Architecture
from stenod_models.families.parakeet.ctc import collapse
from stenod_models.families.parakeet.emissions import Emissions
from stenod_models.families.parakeet.label_looping import FloatArray, Int64Array
from stenod_models.families.parakeet.runtime import Backend, load_backend
from stenod_models.families.parakeet.search import Search, search_transducer
from stenod_models.families.parakeet.vocabulary import Vocabulary
from tests.support.parakeet_checkpoints import (
    Kind,
    Reference,
    Shape,
    Window,
    make_checkpoint,
    torch,
    window_of,
)
from tests.support.slow_parakeet import ctc_frames, transduced

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and transformers warn of their own doings

KINDS: tuple[Kind, ...] = ("tdt", "ctc")
RUNTIMES = ("onnxruntime", "torch")
WINDOWS = [window_of(seconds, seed) for seed, seconds in enumerate((1.5, 0.6, 1.0))]


class SlowScores:
    """A ScoringTransducer that asks transformers from the start each time."""

    def __init__(self, reference: Reference, windows: Sequence[Window], width: int) -> None:
        self._model = reference.model
        self._encoded = reference.encoded(windows)
        self._width = width
        self.said: list[list[int]] = [[] for _ in range(width * len(windows))]
        self.lengths = [len(encoded) for encoded in self._encoded]

    def predict(self, rows: Int64Array, tokens: Int64Array) -> None:
        for row, token in zip(rows, tokens, strict=True):
            self.said[row].append(int(token))

    def score(self, rows: Int64Array, frames: Int64Array) -> FloatArray:
        return np.stack([self._logits(int(row), int(frame)) for row, frame in zip(rows, frames, strict=True)])

    def reorder(self, parents: Int64Array) -> None:
        self.said = [list(self.said[parent]) for parent in parents]

    def _logits(self, row: int, frame: int) -> FloatArray:
        predicted = self._model.decoder(torch.tensor([self.said[row]]))[0, -1]
        heard = torch.from_numpy(self._encoded[row // self._width][frame])
        logits: FloatArray = self._model.joint(predicted, heard).numpy()
        return logits


class Built:
    """One checkpoint in every runtime."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        source = make_checkpoint(folder / "source", Shape(kind, seed=3))
        whole, rounded = Reference(source, kind), Reference(source, kind)
        rounded.model = rounded.model.half().float()
        self.references = {"onnxruntime": whole, "torch": rounded}
        precisions = {"onnxruntime": "fp32", "torch": "fp16"}
        self.backends = {
            runtime: _backend(folder / runtime, source, precision) for runtime, precision in precisions.items()
        }
        version = folder / "onnxruntime" / VERSION
        self.architecture = Architecture.load(version)
        self.ends_word = ends_word_of(Vocabulary.load(version).texts())

    def trie(self, boost: float) -> PhraseTrie:
        """Of many phrases by chance, so that some are heard."""
        random = np.random.default_rng(0)
        labels = [token for token in range(10, self.architecture.vocabulary_size) if token != self.architecture.blank]
        phrases = [tuple(random.choice(labels, 2).tolist()) for _ in range(60)]
        return PhraseTrie([Phrase(phrase, boost) for phrase in phrases], self.ends_word)

    def slowly(self, window: Window, runtime: str, trie: PhraseTrie) -> tuple[list[int], float]:
        """Tokens, and the smallest lead of a choice; of a CTC model that of each frame."""
        reference = self.references[runtime]
        (encoded,) = reference.encoded([window])
        if reference.kind == "ctc":
            best = np.sort(encoded, axis=1)
            frames = np.array(ctc_frames(encoded, trie, self.architecture.blank))
            found = collapse(frames, np.ones(len(frames), np.float32), self.architecture.blank)
            return found.tokens, float((best[:, -1] - best[:, -2]).min())

        slow = SlowScores(reference, [window], 1)

        def logits_of(said: list[int], frame: int) -> list[float]:
            slow.said = [said]
            logits: list[float] = slow.score(np.array([0]), np.array([frame]))[0].tolist()
            return logits

        tokens, _starts, margin = transduced(logits_of, len(encoded), self.architecture, trie)
        return tokens, margin


def _backend(entry: Path, source: Path, precision: str) -> Backend:
    build(entry, source=source, precision=precision, report=lambda _phase, _done: None)
    return load_backend(entry / VERSION, threads=1, buckets_samples=(160_000,))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], Built]:
    return cache(lambda kind: Built(tmp_path_factory.mktemp(kind), kind))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", KINDS)
def test_hotwords_are_heard_as_a_slow_decoder_hears_them(
    built: Callable[[Kind], Built], kind: Kind, runtime: str
) -> None:
    case = built(kind)
    backend, trie = case.backends[runtime], case.trie(3.0)
    plain = backend.decode(WINDOWS, never)
    found = backend.decode(WINDOWS, never, Search(trie=trie))
    compared = changed = 0
    for window, row, before in zip(WINDOWS, found, plain, strict=True):
        wanted, margin = case.slowly(window, runtime, trie)
        assert row is not None
        assert before is not None
        if margin > 1e-3:
            assert row.tokens == wanted
            compared += 1
        changed += row.tokens != before.tokens
        (alone,) = backend.decode([window], never, Search(trie=trie))
        assert alone is not None
        assert (alone.tokens, alone.starts, alone.ends) == (row.tokens, row.starts, row.ends)
    assert compared >= 1
    assert changed >= 1


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_boost_of_nothing_changes_nothing(built: Callable[[Kind], Built], kind: Kind, runtime: str) -> None:
    case = built(kind)
    backend = case.backends[runtime]
    plain = backend.decode(WINDOWS, never)
    found = backend.decode(WINDOWS, never, Search(trie=case.trie(0.0)))
    assert [spoken(row) for row in found] == [spoken(row) for row in plain]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_beam_finds_what_it_finds_on_transformers_own_scores(built: Callable[[Kind], Built], runtime: str) -> None:
    case, windows = built("tdt"), WINDOWS[1:]
    search = Search(beam_size=3, trie=case.trie(2.0))
    slow = SlowScores(case.references[runtime], windows, search.beam_size)
    wanted = search_transducer(slow, slow.lengths, case.architecture, search, never)
    found = case.backends[runtime].decode(windows, never, search)
    assert [spoken(row) for row in found] == [spoken(row) for row in wanted]
    assert sum(len(row.tokens) for row in found if row) > 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_beam_finds_in_a_batch_what_it_finds_alone(built: Callable[[Kind], Built], kind: Kind) -> None:
    backend, search = built(kind).backends["onnxruntime"], Search(beam_size=3, trie=built(kind).trie(2.0))
    together = [spoken(row) for row in backend.decode(WINDOWS, never, search)]
    assert together == [spoken(backend.decode([window], never, search)[0]) for window in WINDOWS]
    assert sum(len(tokens) for tokens, _starts, _ends in together) > 5


def spoken(emissions: Emissions | None) -> tuple[list[int], list[int], list[int]]:
    assert emissions is not None
    return emissions.tokens, emissions.starts, emissions.ends


def never(_row: int) -> bool:
    return False
