"""Small random checkpoints, built as `stenod models add` builds them, against transformers' own features, encoder,
generate() and decode(). The full comparison is tests/proofs/parakeet.py.
"""

import importlib
from collections.abc import Callable, Sized
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from stenod_models.contract import RecognitionOptions
from stenod_models.device import Device, UnavailableDeviceError
from stenod_models.export.errors import ModelBuildError
from stenod_models.export.parakeet import VERSION, build, languages_of
from stenod_models.export.pbtxt import profile_of
from stenod_models.families.parakeet.architecture import Architecture
from stenod_models.families.parakeet.features import FeatureExtractor
from stenod_models.families.parakeet.runtime import load_backend
from stenod_models.families.registry import load_recogniser
from tests.proofs.parakeet import Trial, compare, random_batch
from tests.support.parakeet_checkpoints import KINDS, Kind, Reference, Shape, make_checkpoint, window_of

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and transformers warn of their own doings

ALL_KINDS: tuple[Kind, ...] = ("tdt", "rnnt", "ctc")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Trial]:
    """A trial of the kind, built once."""
    trials: dict[tuple[Kind, str], Trial] = {}

    def trial(kind: Kind, precision: str = "fp32") -> Trial:
        if (kind, precision) not in trials:
            folder = tmp_path_factory.mktemp(f"{kind}-{precision}")
            trials[kind, precision] = Trial.build(folder, Shape(kind, seed=KINDS.index(kind)), precision=precision)
        return trials[kind, precision]

    return trial


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_features_encoder_and_tokens_are_those_of_transformers(built: Callable[..., Trial], kind: Kind) -> None:
    trial = built(kind)
    lengths_s = ((12.0, 5.0, 1.5, 0.2), (0.3, 8.0), (20.0,))
    batches = [[window_of(length_s, place) for place, length_s in enumerate(batch)] for batch in lengths_s]
    results = [compare(trial, batch) for batch in batches]
    assert max(result.features for result in results) < 1e-4
    assert max(result.encoder for result in results) < 1e-4
    assert sum(result.wrong for result in results) == 0
    assert sum(result.tokens for result in results) > 40
    assert sum(result.compared for result in results) >= 5  # of 7


@pytest.mark.parametrize("samples", [320, 479, 480, 1281, 3200, 15_999])
@pytest.mark.parametrize("kind", ["tdt", "rnnt"])
def test_features_of_any_length_are_those_of_transformers(
    built: Callable[..., Trial], samples: int, kind: Kind
) -> None:
    trial = built(kind)
    window = window_of(1.0, samples)[:samples]
    ours, frames = FeatureExtractor(trial.architecture.mel_bins, trial.architecture.preemphasis).batch([window])
    assert frames[0] == trial.reference.inputs([window])["attention_mask"].sum()
    np.testing.assert_allclose(ours[0], trial.reference.exact_features(window), atol=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_window_says_alone_what_it_says_in_a_batch_and_padded(
    built: Callable[..., Trial], kind: Kind, precision: str
) -> None:
    backend = built(kind, precision).backend
    windows = random_batch(7, longest_s=6.0, most=8)
    together = backend.decode(windows, lambda _row: False)
    padded = backend.decode(windows, lambda _row: False, padding_frames=333)
    for window, one, other in zip(windows, together, padded, strict=True):
        (alone,) = backend.decode([window], lambda _row: False)
        assert alone is not None
        for found in (one, other):
            assert found is not None
            assert (found.tokens, found.starts, found.ends) == (alone.tokens, alone.starts, alone.ends)
            np.testing.assert_allclose(found.probabilities, alone.probabilities, atol=1e-3)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_the_built_entry_recognises_through_its_profile(built: Callable[..., Trial], kind: Kind) -> None:
    trial = built(kind)
    recogniser = load_recogniser(profile_of(trial.entry / "config.pbtxt"), trial.entry / VERSION, threads=1)
    windows = [window_of(seconds, seed) for seed, seconds in enumerate((4.0, 0.7, 9.0))]
    results = recogniser.recognise(windows, language="fr", options=RecognitionOptions())
    assert sum(len(result.words) for result in results if result) > 5
    for window, result, wanted in zip(windows, results, trial.reference.hear(windows), strict=True):
        assert result is not None
        assert "".join(word.text for word in result.words) == "".join(wanted.text.split())
        times = [time for word in result.words for time in (word.start_samples, word.end_samples)]
        assert times == sorted(times)
        assert all(time <= len(window) for time in times)
        assert all(0 < word.confidence <= 1 for word in result.words)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_model_that_hears_only_blanks_gives_no_text(tmp_path: Path, kind: Kind) -> None:
    source = make_checkpoint(tmp_path / "source", Shape(kind, seed=1), blank_shift=1e3)
    build(tmp_path / "entry", source=source, precision="fp32", report=lambda _phase, _done: None)
    recogniser = load_recogniser(
        profile_of(tmp_path / "entry" / "config.pbtxt"), tmp_path / "entry" / VERSION, threads=1
    )
    windows = [np.zeros(48_000, np.int16), window_of(5.0, 3)]
    results = recogniser.recognise(windows, language="auto", options=RecognitionOptions())
    assert [(result.words, result.no_speech) for result in results if result] == [((), 1.0), ((), 1.0)]


def test_building_tells_how_far_it_is_from_torch(tmp_path: Path) -> None:
    source = make_checkpoint(tmp_path / "source", Shape("tdt", seed=2))
    (source / "README.md").write_text("---\nlanguage:\n- en\n- 'de'\nlicense: cc-by-4.0\n---\n# A model\n")
    (source / "LICENSE").write_text("the licence")
    phases: list[str] = []
    build(tmp_path / "entry", source=source, precision="fp32", report=lambda phase, _done: phases.append(phase))
    assert phases[-1].startswith("verified: encoder within ")
    assert profile_of(tmp_path / "entry" / "config.pbtxt").languages == ("en", "de")
    assert (tmp_path / "entry" / "LICENCE").read_text() == "the licence"
    assert Architecture.load(tmp_path / "entry" / VERSION).durations == (0, 1, 2, 3, 4)


def test_a_checkpoint_of_another_family_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "whisper"}')
    with pytest.raises(ModelBuildError, match=r"type 'whisper'; this exporter takes parakeet_tdt"):
        build(tmp_path / "entry", source=tmp_path, precision="fp32", report=lambda _phase, _done: None)
    assert languages_of(tmp_path) == ()


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_the_torch_runtime_says_what_transformers_says(tmp_path: Path, kind: Kind) -> None:
    """On a CPU it computes in float32, from weights rounded to half precision: the reference is rounded alike."""
    source = make_checkpoint(tmp_path / "source", Shape(kind, seed=KINDS.index(kind)))
    reference = Reference(source, kind)
    reference.model = reference.model.half().float()
    build(tmp_path / "entry", source=source, precision="fp16", report=lambda _phase, _done: None)
    backend = load_backend(tmp_path / "entry" / VERSION, threads=1, buckets_samples=(40_000, 200_000))
    for seed in range(2):
        windows = random_batch(seed, longest_s=10.0, most=5)
        wanted = reference.hear(windows)
        found = backend.decode(windows, lambda _row: False)
        for one, other in zip(found, wanted, strict=True):
            assert one is not None
            if other.margin > 1e-4 and other.most_at_frame < 10:
                assert (one.tokens, one.starts) == (other.tokens, other.starts)


def test_a_batch_that_does_not_fit_the_memory_is_halved_until_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch_runtime: Any = importlib.import_module("stenod_models.families.parakeet.torch_runtime")
    source = make_checkpoint(tmp_path / "source", Shape("tdt", seed=0))
    build(tmp_path / "entry", source=source, precision="fp16", report=lambda _phase, _done: None)
    version = tmp_path / "entry" / VERSION
    backend = torch_runtime.TorchBackend(version, Architecture.load(version), buckets_samples=(100_000,))
    windows = [window_of(seconds, place) for place, seconds in enumerate((3.0, 1.0, 0.5, 2.0, 4.0))]
    wanted = [backend.decode([window], lambda _row: False)[0] for window in windows]
    encode = torch_runtime.TorchEncoder.__call__
    sizes: list[int] = []

    def encode_little(encoder: object, features: Sized, frames: object) -> object:
        sizes.append(len(features))
        if len(features) > 2:
            raise torch_runtime.torch.cuda.OutOfMemoryError
        return encode(encoder, features, frames)

    monkeypatch.setattr(torch_runtime.TorchEncoder, "__call__", encode_little)
    found = backend.decode(windows, lambda row: row == 3)
    assert [row and row.tokens for row in found] == [
        row and row.tokens if place != 3 else None for place, row in enumerate(wanted)
    ]
    assert sizes == [8, 2, 4, 1, 2]


def test_batches_of_every_size_decode_in_the_memory_of_the_first_and_the_full_one(tmp_path: Path) -> None:
    source = make_checkpoint(tmp_path / "source", Shape("tdt", seed=0))
    build(tmp_path / "entry", source=source, precision="fp32", device="cuda", report=lambda _phase, _done: None)
    assert profile_of(tmp_path / "entry" / "config.pbtxt").max_batch_size == 64
    backend: Any = load_backend(tmp_path / "entry" / VERSION, threads=1, buckets_samples=(16_000,))
    windows = [window_of(0.5 + place / 8, place) for place in range(4)]
    alone = [backend.decode([window], lambda _row: False)[0] for window in windows]
    backend.decode(windows, lambda _row: False)
    for count in (2, 3):
        found = backend.decode(windows[:count], lambda _row: False)
        assert [row.tokens for row in found if row] == [row.tokens for row in alone[:count] if row]
    assert sorted(backend._loops) == [1, 4]


@pytest.mark.skipif(importlib.import_module("torch").cuda.is_available(), reason="there is a GPU")
def test_what_was_not_built_for_a_gpu_is_refused_on_one(tmp_path: Path) -> None:
    source = make_checkpoint(tmp_path / "source", Shape("ctc", seed=2))
    for name, device, told in (("graphs", "cpu", "graphs for a CPU"), ("weights", "cuda", "torch .* finds none")):
        build(tmp_path / name, source=source, precision="fp32", device=device, report=lambda _phase, _done: None)
        with pytest.raises(UnavailableDeviceError, match=told):
            load_backend(tmp_path / name / VERSION, threads=1, buckets_samples=(40_000,), device=Device("cuda"))
