"""Proof: each channel says its own words, all of them, and none that bled into it.

    python -m tests.proofs.dual_channel [--minutes 16]

The arranged call of the speech set, two people on a channel each, goes through a whole service with the default model:
as it is, and with each channel added to the other at -15, -20 and -25 dB, as it is, later, and filtered; turn by turn,
and with one channel moved so that both speak at once for a good part. For comparison, each channel of the first way
goes through alone, as a file of its own: then there is nothing that the bleed could be known by.

Words of a channel are aligned with that channel's text. Right is a word at a place of that text; foreign is one that
has no place there, said while the other channel speaks; doubled is a foreign one that the other channel has as well,
within half a second. Lost is what the same channel without bleed has, and this one does not. Channel accuracy is right
÷ (right + foreign).

Then recordings of which nobody wrote down the words, turn by turn, to be read; and a file of 32 channels that hear each
other, whose length must not change the memory. Exit status 1 when accuracy is below 99 %, a word is doubled, more than
2 % of the own words are lost (windows that are cut elsewhere are heard a little differently: the comparison loses
words, too), a sample of an own turn is changed where one speaks at a time, nothing is doubled in the comparison (then
the proof is blind), or memory grows.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import jiwer
import numpy as np
import psutil
from rich.console import Console
from rich.progress import track
from whisper_normalizer.english import EnglishTextNormalizer

import stenod
from stenod_server.audio.crosstalk import without_crosstalk
from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from tests.proofs.memory import ALLOWED_RATIO, MIB, Peak, watch
from tests.support.bleed import DELAYED, FILTERED, PLAIN, Call, Channels, bleeding
from tests.support.models import build_models, read_audio
from tests.support.server import serving
from tests.support.speech import recordings
from tests.support.waves import write_wav

LEVELS_DB = (-15.0, -20.0, -25.0)
WAYS = (PLAIN, DELAYED, FILTERED)
LEAST_ACCURACY = 0.99
MOST_LOST = 0.02
NEAR_S = 0.5  # two hearings of one word
BESIDE_S = 0.25  # of a turn: words at its edges are its own
MANY = 32
SHORT_S = 240.0

normalise = EnglishTextNormalizer()


@dataclass(frozen=True, slots=True)
class Piece:
    """A word as it is compared."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of both channels. `own` are the places of the texts at which there is a word."""

    right: int
    foreign: tuple[str, ...]
    doubled: tuple[str, ...]
    own: frozenset[tuple[int, int]]
    words: int

    @property
    def accuracy(self) -> float:
        return self.right / max(1, self.right + len(self.foreign))

    def lost(self, clean: "Outcome") -> int:
        return len(clean.own - self.own)

    def holds(self, clean: "Outcome") -> bool:
        is_whole = self.lost(clean) <= MOST_LOST * self.words
        return self.accuracy >= LEAST_ACCURACY and not self.doubled and is_whole


def pieces_of(words: Sequence[stenod.Word]) -> list[Piece]:
    return [Piece(text, word.start_s, word.end_s) for word in words for text in normalise(word.text).split()]


def judged(call: Call, channels: Sequence[Sequence[stenod.Word]]) -> Outcome:
    """What the transcripts of the channels are, measured by the texts."""
    heard = [pieces_of(words) for words in channels]
    right, words = 0, 0
    foreign: list[str] = []
    doubled: list[str] = []
    own: set[tuple[int, int]] = set()
    for channel, pieces in enumerate(heard):
        text = normalise(call.text(channel))
        words += len(text.split())
        placed, extra = aligned(text, pieces)
        right += len(pieces) - len(extra)
        own |= {(channel, place) for place in placed}
        strangers = [piece for piece in extra if is_during_others(call, channel, piece)]
        foreign += [piece.text for piece in strangers]
        doubled += [piece.text for piece in strangers if any(is_same(piece, other) for other in heard[1 - channel])]
    return Outcome(right, tuple(foreign), tuple(doubled), frozenset(own), words)


def aligned(text: str, pieces: Sequence[Piece]) -> tuple[set[int], list[Piece]]:
    """The places of the text that have a word, and the words that have no place."""
    if not pieces:
        return set(), []
    output = jiwer.process_words(text, " ".join(piece.text for piece in pieces))
    pairs = [chunk for chunk in output.alignments[0] if chunk.type in {"equal", "substitute"}]
    placed = {place for chunk in pairs for place in range(chunk.ref_start_idx, chunk.ref_end_idx)}
    used = {place for chunk in pairs for place in range(chunk.hyp_start_idx, chunk.hyp_end_idx)}
    return placed, [piece for place, piece in enumerate(pieces) if place not in used]


def is_during_others(call: Call, channel: int, piece: Piece) -> bool:
    """Whether it is said in a turn of another channel, and in none of its own."""
    at_s = (piece.start_s + piece.end_s) / 2
    speaking = {turn.channel for turn in call.turns if turn.start_s - BESIDE_S <= at_s <= turn.end_s + BESIDE_S}
    return bool(speaking) and channel not in speaking


def is_same(one: Piece, other: Piece) -> bool:
    return one.text == other.text and abs(one.start_s + one.end_s - other.start_s - other.end_s) / 2 <= NEAR_S


class Bench:
    """Transcribes calls through a service."""

    def __init__(self, client: stenod.Client, folder: Path) -> None:
        self._client = client
        self._path = folder / "call.wav"

    async def together(self, call: Call, audio: Channels) -> Outcome:
        transcript = await self._client.transcribe(
            write_wav(self._path, audio), language="en", diarization="channel", channel_labels=["first", "second"]
        )
        words = transcript.words
        return judged(call, [[word for word in words if word.channel == name] for name in ("first", "second")])

    async def apart(self, call: Call, audio: Channels) -> Outcome:
        """Each channel as a recording of its own."""
        transcripts = [await self._client.transcribe(write_wav(self._path, one), language="en") for one in audio]
        return judged(call, [transcript.words for transcript in transcripts])

    async def turns(self, path: Path) -> Sequence[stenod.Segment]:
        return (await self._client.transcribe(path, language="en", diarization="channel")).segments


async def compare(bench: Bench, call: Call, *, console: Console, name: str) -> bool:
    """A line for every level and way; whether all of them hold."""
    clean = await bench.together(call, call.audio)
    report(console, f"{name}, no bleed", clean, clean)
    holds = clean.holds(clean)
    cases = list(product(LEVELS_DB, WAYS))
    for level_db, way in track(cases, description=name, console=Console(stderr=True)):
        audio = bleeding(call.audio, level_db, way)
        outcome = await bench.together(call, audio)
        report(console, f"{name}, {level_db:g} dB, {way.name}", outcome, clean)
        holds &= outcome.holds(clean)
        if way is PLAIN:
            apart = await bench.apart(call, audio)
            report(console, f"{name}, {level_db:g} dB, each channel alone", apart, clean)
            holds &= bool(apart.doubled)
    return holds


def report(console: Console, name: str, outcome: Outcome, clean: Outcome) -> None:
    console.print(
        f"{name:48} accuracy {outcome.accuracy:7.2%}  right {outcome.right:4}  foreign {len(outcome.foreign):4}  "
        f"doubled {len(outcome.doubled):4}  lost {outcome.lost(clean):3} of {outcome.words}",
        highlight=False,
    )


def changed_turns(call: Call) -> int:
    """Of turns in which one speaks at a time, those whose own audio is not left as it is, over all levels and ways."""
    count = 0
    for level_db, way in product(LEVELS_DB, WAYS):
        audio = bleeding(call.audio, level_db, way)
        clean = np.concatenate(list(without_crosstalk([audio], len(audio))), axis=1)
        places = ((turn.channel, slice(round(turn.start_s * HZ), round(turn.end_s * HZ))) for turn in call.turns)
        count += sum(not np.array_equal(clean[place], audio[place]) for place in places)
    return count


def many_channels(seconds: float) -> Channels:
    """People who take turns of ten seconds, each on a channel, and hear each other at -20 dB; 8 000 Hz."""
    [longest] = recordings("long")
    voice = read_audio(longest.path)[::2]  # what folds over is speech-like, and as good for this
    turn = 10 * HZ // 2
    audio = np.zeros((MANY, round(seconds * HZ / 2)), np.int16)
    for number, at in enumerate(range(0, audio.shape[1], turn)):
        end = min(at + turn, audio.shape[1])
        said = np.resize(voice[number * turn % (len(voice) - turn) :], end - at)
        audio[:, at:end] = said // 10
        audio[number % MANY, at:end] = said
    return audio


async def peak_of(seconds: float, models_dir: Path, folder: Path) -> Peak:
    """Of a server that transcribes so much of many channels."""
    path = write_wav(folder / "many.wav", many_channels(seconds), rate_hz=HZ // 2)
    peak = Peak()
    async with (
        serving(folder / f"node{seconds:g}", models_dir=models_dir) as server,
        stenod.Client(server.address) as c,
    ):
        watching = asyncio.create_task(watch(psutil.Process(server.process.pid), peak))
        transcript = await c.transcribe(path, language="en", diarization="channel")
        watching.cancel()
    assert len({word.channel for word in transcript.words}) == MANY or seconds < 10 * MANY
    return peak


async def memory_holds(models_dir: Path, folder: Path, minutes: float) -> bool:
    lengths = (SHORT_S, 60 * minutes)
    peaks = [await peak_of(seconds, models_dir, folder) for seconds in lengths]
    for seconds, peak in zip(lengths, peaks, strict=True):
        print(f"{MANY} channels, {seconds / 60:5.1f} min  server {peak.server / MIB:6.0f} MiB")
    ratio = peaks[1].server / peaks[0].server
    print(f"peak of the server, long / short: {ratio:.3f} (allowed: {ALLOWED_RATIO})")
    return ratio <= ALLOWED_RATIO


def to_be_read() -> Iterator[Path]:
    yield from (one.path for one in recordings("dual_channel", "telephone") if one.fields["channels"] == 1)


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=16.0, help="length of the long file of many channels")
    arguments = parser.parse_args()
    console = Console(width=160)
    models_dir = build_models()
    call = Call.arranged()
    both = call.at_once()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with serving(folder / "node", models_dir=models_dir) as server, stenod.Client(server.address) as client:
            bench = Bench(client, folder)
            holds = await compare(bench, call, console=console, name="in turns")
            changed = changed_turns(call)
            console.print(f"own turns changed: {changed} of {len(call.turns) * len(LEVELS_DB) * len(WAYS)}")
            holds &= not changed
            console.print(
                f"both speak for {both.overlap_s:.1f} s of {call.audio.shape[1] / HZ:.1f} s:", highlight=False
            )
            holds &= await compare(bench, both, console=console, name="at once")
            for path in to_be_read():
                console.print(f"\n{path.name}", highlight=False)
                for segment in await bench.turns(path):
                    console.print(f"  {segment.start_s:6.2f}  {segment.channel}: {segment.text}", highlight=False)
        holds &= await memory_holds(models_dir, folder, arguments.minutes)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
