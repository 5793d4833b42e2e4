import pytest

from stenod_models.batching import BatchLimits, WindowKey, bucket_of, group_windows
from stenod_models.contract import RecognitionOptions

BUCKETS = (100, 200, 400)
PLAIN = RecognitionOptions()


def key(index: int, length: int, language: str = "en", options: RecognitionOptions = PLAIN) -> WindowKey:
    return WindowKey(index, length, language, options)


def groups(lengths: list[int], *, size: int = 8, padding: float = 0.1) -> list[list[int]]:
    keys = [key(index, length) for index, length in enumerate(lengths)]
    found = group_windows(keys, BatchLimits(BUCKETS, size, padding))
    return [[window.length_samples for window in group] for group in found]


def test_windows_of_one_bucket_share_a_batch_longest_first() -> None:
    assert groups([310, 400, 350]) == [[400, 350, 310]]


def test_a_short_window_is_not_padded_to_a_long_one() -> None:
    assert groups([400, 50, 390, 60]) == [[400, 390], [60, 50]]


def test_a_shorter_window_joins_while_padding_is_little() -> None:
    assert groups([400, 400, 400, 400, 200]) == [[400, 400, 400, 400, 200]]
    assert groups([400, 200]) == [[400], [200]]


def test_everything_is_batched_where_padding_costs_nothing() -> None:
    assert groups([400, 1, 200, 0], padding=1.0) == [[400, 200, 1, 0]]


def test_no_batch_is_larger_than_the_limit() -> None:
    assert [len(group) for group in groups([300] * 7, size=3)] == [3, 3, 1]


def test_language_and_options_are_never_mixed() -> None:
    keys = [key(0, 100), key(1, 100, "de"), key(2, 100, options=RecognitionOptions(beam_size=2)), key(3, 100)]
    found = group_windows(keys, BatchLimits(BUCKETS, 8, 1.0))
    assert sorted(sorted(window.index for window in group) for group in found) == [[0, 3], [1], [2]]


def test_the_bucket_is_the_shortest_that_takes_the_window() -> None:
    assert [bucket_of(length, BUCKETS) for length in (0, 100, 101, 400)] == [100, 100, 200, 400]


def test_a_window_beyond_the_last_bucket_is_refused() -> None:
    with pytest.raises(ValueError, match="401 samples; this model takes at most 400"):
        bucket_of(401, BUCKETS)
