"""Speech without a pause, heard chunk by chunk by a recogniser that times words a little differently each time."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.domain.transcript import Word
from stenod_server.recognition.context_chunks import first_new, tail_of
from stenod_server.recognition.stitch import Frame, Stitcher

LEFT, CHUNK, RIGHT = 5 * HZ, 20 * HZ, 3 * HZ
COMMON = ["the", "a", "of", "and", "to", "no", "very", "it"]


def speech(seed: int, length_s: float, vocabulary: Sequence[str]) -> list[Word]:
    """Words of 0.12 to 0.7 s, one right after the other."""
    rng = random.Random(seed)
    words: list[Word] = []
    place = 0
    while place < length_s * HZ:
        end = place + round(rng.uniform(0.12, 0.7) * HZ)
        words.append(Word(rng.choice(vocabulary), place, end, 0.9, "en"))
        place = end
    return words


def chunks(end: int) -> Iterator[Frame]:
    """As the segmenter cuts where nobody pauses."""
    for index, start in enumerate(range(0, end, CHUNK)):
        keep_end = min(start + CHUNK, end)
        yield Frame(index, max(0, start - LEFT), min(keep_end + RIGHT, end), start, keep_end)


def heard(words: Sequence[Word], frame: Frame, rng: random.Random, jitter_s: float) -> list[Word]:
    """The words inside; those cut at an edge are lost or mistaken. Times are of the file, in order, inside."""
    found: list[Word] = []
    for word in words:
        is_cut = word.start_samples < frame.start_samples or word.end_samples > frame.end_samples
        is_outside = word.end_samples <= frame.start_samples or word.start_samples >= frame.end_samples
        if is_outside or (is_cut and rng.random() < 0.5):
            continue
        start, end = (
            round(time + rng.uniform(-jitter_s, jitter_s) * HZ) for time in (word.start_samples, word.end_samples)
        )
        start = min(max(start, frame.start_samples, found[-1].start_samples if found else 0), frame.end_samples)
        text = "garbled" if is_cut else rng.choice([word.text, word.text.capitalize(), word.text + ","])
        found.append(replace(word, text=text, start_samples=start, end_samples=min(max(end, start), frame.end_samples)))
    return found


def plain(words: Sequence[Word]) -> list[str]:
    return [word.text.strip(",").lower() for word in words]


def joined(words: Sequence[Word], seed: int, jitter_s: float) -> list[Word]:
    """By a stitcher that is another one for each chunk, and knows no more than a checkpoint does."""
    rng = random.Random(seed)
    memory = json.dumps(Stitcher().remember())
    found: list[Word] = []
    for frame in chunks(words[-1].end_samples):
        stitcher = Stitcher()
        stitcher.recall(json.loads(memory))
        hearing = heard(words, frame, rng, jitter_s)
        offset = [
            replace(
                word,
                start_samples=word.start_samples - frame.start_samples,
                end_samples=word.end_samples - frame.start_samples,
            )
            for word in hearing
        ]
        found += stitcher.place(frame, offset)
        memory = json.dumps(stitcher.remember())
    return found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.05, 0.1, 0.15]), st.sampled_from([8, 60, 2000]))
def test_no_word_is_lost_or_doubled_at_a_seam(seed: int, jitter_s: float, vocabulary: int) -> None:
    words = speech(seed, 100, [*COMMON, *(f"word{n}" for n in range(vocabulary - len(COMMON)))])
    assert plain(joined(words, seed + 1, jitter_s)) == plain(words)


@pytest.mark.parametrize("seed", range(3))
def test_twenty_minutes_without_a_pause_are_whole(seed: int) -> None:
    words = speech(seed, 1200, [*COMMON, *(f"word{n}" for n in range(200))])
    assert plain(joined(words, seed, 0.12)) == plain(words)


def word(text: str, start_s: float, end_s: float) -> Word:
    return Word(text, round(start_s * HZ), round(end_s * HZ), 0.9, "en")


SEAM = 10 * HZ
BEFORE = [word("one", 9.0, 9.4), word("two", 9.4, 9.9)]


@pytest.mark.parametrize(
    ("left", "right", "new"),
    [
        # The word at the seam has its middle behind it for both, before it for both, or on either side.
        ([*BEFORE, word("three", 9.9, 10.3)], [*BEFORE, word("three", 9.9, 10.3)], ["three"]),
        ([*BEFORE, word("three", 9.7, 10.1)], [*BEFORE, word("three", 9.7, 10.1), word("four", 10.2, 10.5)], ["four"]),
        ([*BEFORE, word("three", 9.8, 10.25)], [*BEFORE, word("three", 9.7, 10.1)], ["three"]),
        ([*BEFORE, word("three", 9.7, 10.1)], [*BEFORE, word("three", 9.8, 10.25)], []),
        # It was misheard by one of them.
        ([*BEFORE, word("tree", 9.7, 10.1)], [*BEFORE, word("three", 9.8, 10.25), word("four", 10.3, 10.6)], ["four"]),
        ([*BEFORE, word("tree", 9.8, 10.25)], [*BEFORE, word("three", 9.7, 10.1)], ["three"]),
        ([*BEFORE, word("tree", 9.7, 10.1)], [*BEFORE, word("three", 9.85, 10.37), word("four", 10.4, 10.6)], ["four"]),
        # Only one of them heard it.
        ([*BEFORE], [*BEFORE, word("three", 9.6, 10.1)], ["three"]),
        ([*BEFORE, word("three", 9.7, 10.1)], [*BEFORE, word("four", 10.2, 10.5)], ["four"]),
        # Nothing in common.
        ([], [word("two", 9.4, 9.9), word("three", 10.0, 10.3)], ["three"]),
        (BEFORE, [], []),
        ([], [], []),
        # A word that is said twice.
        ([word("no", 9.3, 9.6), word("no", 9.7, 10.1)], [word("no", 9.35, 9.65), word("no", 9.8, 10.25)], []),
        (
            [word("no", 9.0, 9.3), word("no", 9.4, 9.7), word("no", 9.8, 10.1)],
            [word("no", 9.4, 9.7), word("no", 9.8, 10.15), word("no", 10.2, 10.5)],
            ["no"],
        ),
        ([word("no", 9.3, 9.6), word("no", 9.9, 10.2)], [word("no", 9.35, 9.65), word("no", 9.8, 10.15)], ["no"]),
    ],
)
def test_the_later_chunk_goes_on_behind_what_the_earlier_one_gave(
    left: list[Word], right: list[Word], new: list[str]
) -> None:
    assert plain(right[first_new(tail_of(left, SEAM), right) :]) == new
