"""What a built Whisper may differ by from the model that it was built from."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pytest

from stenod_models.export.errors import ModelBuildError
from stenod_models.export.whisper_verification import compare

LARGEST: Final = 32.0
MOST: Final = {"fp32": 1e-3, "fp16": 1e-2, "bf16": 5e-2, "int8": 0.25}
CLEAR: Final = {"fp32": 1e-3, "fp16": 1e-2, "bf16": 5e-2, "int8": 0.125}


def logits(margin: float) -> npt.NDArray[np.float32]:
    """Of 24 tokens: token 0 is the best everywhere, by that share of the largest logit, which is a negative one."""
    rows = np.zeros((24, 8), np.float32)
    rows[:, 0] = margin * LARGEST
    rows[:, 7] = -LARGEST
    return rows


def swayed(expected: npt.NDArray[np.float32], rows: slice, share: float) -> npt.NDArray[np.float32]:
    """The best token loses, and the next one gains, that share of the largest logit."""
    found = expected.copy()
    found[rows, 0] -= share * LARGEST
    found[rows, 1] += share * LARGEST
    return found


@pytest.mark.parametrize("precision", MOST)
def test_one_other_token_where_the_choice_is_clear_is_too_many(precision: str) -> None:
    expected = logits(1.2 * CLEAR[precision])
    found = swayed(expected, slice(3, 4), 0.7 * CLEAR[precision])
    with pytest.raises(ModelBuildError, match="1 of 24 tokens are others where its choice is clear"):
        compare(found, expected, precision)


def test_eight_bits_that_choose_nearly_every_token_otherwise_are_no_build() -> None:
    expected = logits(0.2)
    with pytest.raises(ModelBuildError, match="23 of 24 tokens are others"):
        compare(swayed(expected, slice(1, 24), 0.11), expected, "int8")


@pytest.mark.parametrize("precision", MOST)
def test_rounding_may_choose_between_tokens_that_are_nearly_alike(precision: str) -> None:
    expected = logits(0.8 * CLEAR[precision])
    expected[12:, 0] = 2 * CLEAR[precision] * LARGEST
    verification = compare(swayed(expected, slice(0, 3), 0.5 * CLEAR[precision]), expected, precision)
    assert (verification.compared, verification.agreeing, verification.clear) == (24, 21, 12)
    assert verification.logit_difference == pytest.approx(0.5 * CLEAR[precision])


@pytest.mark.parametrize("precision", MOST)
def test_logits_may_not_be_far_off_though_every_token_is_the_same(precision: str) -> None:
    expected = logits(0.9)
    compare(swayed(expected, slice(0, 1), 0.9 * MOST[precision]), expected, precision)
    with pytest.raises(ModelBuildError, match="logits by"):
        compare(swayed(expected, slice(0, 1), 1.1 * MOST[precision]), expected, precision)


def test_what_is_no_number_is_no_build() -> None:
    with pytest.raises(ModelBuildError, match="logits by nan"):
        compare(np.full((24, 8), np.nan, np.float32), logits(0.5), "int8")
