"""Proof: word times are right. Starts within 80 ms (median) of faster-whisper base's where the words agree.

    python -m tests.proofs.word_times [--clips N]

The clean read English recordings through the service. faster-whisper base (word timestamps) is the oracle, there being
no reference times; it runs in the bench's environment of peers, and its words are kept in .bench/. Also checked: times
never go back, and lie inside the audio. Exit status 1 when anything fails.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import stenod
from bench.protocol import Word
from bench.recordings import clean_read_recordings
from bench.word_times import Comparison, compare, oracle_words, paired
from tests.support.models import build_models
from tests.support.server import serving

ALLOWED_MEDIAN_S = 0.080
SIDE_BY_SIDE = 8


@dataclass(frozen=True, slots=True)
class Heard:
    """A recording's words as the service gave them."""

    words: tuple[Word, ...]
    duration_s: float

    @property
    def is_orderly(self) -> bool:
        """Every word ends after it starts, starts after the one before it, and lies inside the audio."""
        starts = [word.start_s for word in self.words]
        inside = all(0 <= word.start_s <= word.end_s <= self.duration_s for word in self.words)
        return inside and starts == sorted(starts)


async def listen(client: stenod.Client, files: Mapping[str, Path]) -> dict[str, Heard]:
    """The words of each file, by its id."""
    room = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(path: Path) -> Heard:
        async with room:
            transcript = await client.transcribe(path)
        words = tuple(Word(word.text, word.start_s, word.end_s) for word in transcript.words)
        return Heard(words, transcript.duration_s)

    return dict(zip(files, await asyncio.gather(*map(one, files.values())), strict=True))


def judge(heard: Mapping[str, Heard], oracle: Mapping[str, Sequence[Word]]) -> Comparison:
    """The differences, over the recordings that both know."""
    return compare(paired({clip: found.words for clip, found in heard.items()}, oracle))


def read_oracle(path: Path) -> dict[str, list[Word]]:
    return {clip: [Word(**word) for word in words] for clip, words in json.loads(path.read_text()).items()}


async def _served(files: Mapping[str, Path]) -> dict[str, Heard]:
    with tempfile.TemporaryDirectory() as name:
        async with (
            serving(Path(name), models_dir=build_models()) as server,
            stenod.Client(server.address) as client,
        ):
            return await listen(client, files)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, metavar="N", help="only the first N recordings")
    chosen = clean_read_recordings(parser.parse_args().clips)
    oracle = oracle_words(chosen)
    heard = asyncio.run(_served({recording.clip.id: Path(recording.clip.path) for recording in chosen}))
    found = judge(heard, oracle)
    disorderly = [clip for clip, one in heard.items() if not one.is_orderly]
    print(f"{len(chosen)} recordings, {sum(map(len, oracle.values()))} words of faster-whisper base")
    print(found)
    print(f"recordings with a word outside the audio or out of order: {len(disorderly)} {' '.join(disorderly)}")
    return 0 if found.start_median_s <= ALLOWED_MEDIAN_S and not disorderly else 1


if __name__ == "__main__":
    sys.exit(main())
