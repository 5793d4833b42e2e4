import numpy as np
import pytest

from stenod_models.families.parakeet.ctc import collapse


def test_repeats_merge_and_blanks_part_them() -> None:
    tokens = np.array([9, 3, 3, 9, 3, 4, 4, 4, 9])
    found = collapse(tokens, np.linspace(0.1, 0.9, 9, dtype=np.float32), blank=9)
    assert found.tokens == [3, 3, 4]
    assert found.starts == [1, 4, 5]
    assert found.ends == [3, 5, 8]
    assert found.probabilities == pytest.approx([0.25, 0.5, 0.7])


def test_silence_is_no_token() -> None:
    assert collapse(np.full(5, 9), np.ones(5, np.float32), blank=9).tokens == []
    assert collapse(np.zeros(0, np.int64), np.zeros(0, np.float32), blank=9).tokens == []
