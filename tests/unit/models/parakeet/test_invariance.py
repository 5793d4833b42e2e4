"""What a window says depends on neither its batch-mates nor padding, whatever the windows: on real graphs of a tiny
model. tests/integration/models/test_parakeet.py compares such graphs with transformers.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stenod_models.families.parakeet.architecture import Kind
from stenod_models.families.parakeet.emissions import Emissions
from stenod_models.families.parakeet.sessions import OnnxBackend
from stenod_models.recogniser import Int16Audio
from tests.unit.models.parakeet.random_weights import tiny_backend

Cases = dict[tuple[Kind, str], OnnxBackend]
CASES: list[tuple[Kind, str]] = [(kind, precision) for kind in ("tdt", "rnnt", "ctc") for precision in ("fp32", "int8")]
BATCHES = st.lists(st.tuples(st.integers(0, 10_000), st.integers(320, 24_000)), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    return {case: tiny_backend(tmp_path_factory.mktemp("-".join(case)), case[0], precision=case[1]) for case in CASES}


def window_of(seed: int, samples: int) -> Int16Audio:
    random = np.random.default_rng(seed)
    loudness = np.repeat(random.uniform(0, 6000, samples // 800 + 1), 800)[:samples]
    window: Int16Audio = (random.normal(0, 1, samples) * loudness).clip(-32768, 32767).astype(np.int16)
    return window


def never(_row: int) -> bool:
    return False


def spoken(emissions: Emissions | None) -> tuple[list[int], list[int], list[int]]:
    assert emissions is not None
    return emissions.tokens, emissions.starts, emissions.ends


@pytest.mark.parametrize("case", CASES, ids="-".join)
@given(batch=BATCHES)
@settings(max_examples=15, deadline=None)
def test_a_window_says_in_a_batch_what_it_says_alone(
    backends: Cases, case: tuple[Kind, str], batch: list[tuple[int, int]]
) -> None:
    windows = [window_of(*one) for one in batch]
    together = backends[case].decode(windows, never)
    for window, found in zip(windows, together, strict=True):
        (alone,) = backends[case].decode([window], never)
        assert spoken(found) == spoken(alone)
        assert found is not None
        assert alone is not None
        np.testing.assert_allclose(found.probabilities, alone.probabilities, atol=1e-4)


@pytest.mark.parametrize("kind", ["tdt", "rnnt", "ctc"])
@given(one=st.tuples(st.integers(0, 10_000), st.integers(320, 48_000)), padding_frames=st.integers(1, 300))
@settings(max_examples=15, deadline=None)
def test_padding_changes_nothing(backends: Cases, kind: Kind, one: tuple[int, int], padding_frames: int) -> None:
    backend = backends[kind, "fp32"]
    window = window_of(*one)
    (bare,) = backend.decode([window], never)
    (padded,) = backend.decode([window], never, padding_frames=padding_frames)
    assert spoken(padded) == spoken(bare)


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_there_is_something_to_compare(backends: Cases, case: tuple[Kind, str]) -> None:
    (found,) = backends[case].decode([window_of(1, 80_000)], never)
    tokens = spoken(found)[0]
    assert len(set(tokens)) >= 3
