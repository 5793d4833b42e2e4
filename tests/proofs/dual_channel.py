"""Proof: each channel says its own words, all of them, and none that bled into it.

    python -m tests.proofs.dual_channel [--minutes 16]

The arranged call of the speech set, two people on a channel each, goes through a whole service with the default model:
as it is, and with each channel added to the other at -15, -20 and -25 dB, as it is, later, and filtered; turn by turn,
and with one channel moved so that both speak at once for a good part. For comparison, the channels go through alone, as
files of their own, where nothing is removed: without bleed, which is what all else is measured by, and with it.

Words of a channel are aligned with that channel's text. Foreign is a word that is not the one at its place there, and
that the other channel says at that time, within half a second, or that stands in a turn of the other channel alone;
doubled is a foreign one that the other channel has in this transcript as well. Channel accuracy is the share of the
words that are not foreign. Lost is a place of the text that the channel without bleed, alone, has an own word at, and
this one does not; won is the reverse: windows that are cut elsewhere are heard a little differently, for better or
worse.

Then recordings of which nobody wrote down the words, turn by turn, to be read; and a file of 32 channels that hear each
other, whose length must not change the memory. Exit status 1 when

- accuracy is below 99 %;
- a word is doubled; where both speak at once, more than one in 200: a word that is misheard may be one that the other
  happens to say (they are printed);
- more own words are lost than won, by 1 %; where both speak at once, by that, and by what the same channels lose alone:
  bleed under a voice changes what is heard, removed or not;
- a sample of an own turn is changed where one speaks at a time;
- nothing is doubled in the comparison: then the proof is blind;
- memory grows.
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
MOST_LOST = 0.01
MOST_DOUBLED_AT_ONCE = 0.005
NEAR_S = 0.5  # two hearings of one word
BESIDE_S = 0.25  # of a turn: words at its edges are its own
MANY = 32
FEW = 5  # words that can be read
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
    """Of both channels. `own` are the places of the texts at which there is an own word, `words` are of the texts."""

    heard: int
    foreign: tuple[str, ...]
    doubled: tuple[str, ...]
    own: frozenset[tuple[int, int]]
    words: int

    @property
    def accuracy(self) -> float:
        return 1 - len(self.foreign) / max(1, self.heard)

    def lost(self, clean: "Outcome") -> int:
        return len(clean.own - self.own)

    def won(self, clean: "Outcome") -> int:
        return len(self.own - clean.own)

    def missed(self, clean: "Outcome") -> int:
        return self.lost(clean) - self.won(clean)


def pieces_of(words: Sequence[stenod.Word]) -> list[Piece]:
    return [Piece(text, word.start_s, word.end_s) for word in words for text in normalise(word.text).split()]


Heard = Sequence[Sequence[Piece]]


def judged(call: Call, heard: Heard, said: Heard) -> Outcome:
    """What the transcripts of the channels are, measured by the texts, and by what is `said` on each without bleed."""
    foreign: list[str] = []
    doubled: list[str] = []
    own: set[tuple[int, int]] = set()
    texts = [normalise(call.text(channel)) for channel in range(len(heard))]
    for channel, (text, pieces) in enumerate(zip(texts, heard, strict=True)):
        other = 1 - channel
        for piece, place, is_right in aligned(text, pieces):
            is_stray = place is None and is_during_others(call, channel, piece)
            if is_right or not (is_stray or is_among(piece, said[other])):
                own |= {(channel, place)} if place is not None else set()
                continue
            foreign.append(piece.text)
            if is_among(piece, heard[other]):
                doubled.append(piece.text)
    count = sum(map(len, heard))
    return Outcome(count, tuple(foreign), tuple(doubled), frozenset(own), sum(len(text.split()) for text in texts))


def aligned(text: str, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, int | None, bool]]:
    """Each word with its place in the text, if it has one, and whether it is the word there."""
    if not pieces:
        return
    output = jiwer.process_words(text, " ".join(piece.text for piece in pieces))
    for chunk in output.alignments[0]:
        for offset, piece in enumerate(pieces[chunk.hyp_start_idx : chunk.hyp_end_idx]):
            place = None if chunk.type == "insert" else chunk.ref_start_idx + offset
            yield piece, place, chunk.type == "equal"


def is_during_others(call: Call, channel: int, piece: Piece) -> bool:
    """Whether it is said in a turn of another channel, and in none of its own."""
    at_s = (piece.start_s + piece.end_s) / 2
    speaking = {turn.channel for turn in call.turns if turn.start_s - BESIDE_S <= at_s <= turn.end_s + BESIDE_S}
    return bool(speaking) and channel not in speaking


def is_among(one: Piece, others: Sequence[Piece]) -> bool:
    """Whether one of them is a hearing of the same word."""
    return any(
        one.text == other.text and abs(one.start_s + one.end_s - other.start_s - other.end_s) / 2 <= NEAR_S
        for other in others
    )


class Bench:
    """Transcribes calls through a service."""

    def __init__(self, client: stenod.Client, folder: Path) -> None:
        self._client = client
        self._path = folder / "call.wav"

    async def together(self, audio: Channels) -> Heard:
        transcript = await self._client.transcribe(
            write_wav(self._path, audio), language="en", diarization="channel", channel_labels=["first", "second"]
        )
        words = transcript.words
        return [pieces_of([word for word in words if word.channel == name]) for name in ("first", "second")]

    async def apart(self, audio: Channels) -> Heard:
        """Each channel as a recording of its own."""
        transcripts = [await self._client.transcribe(write_wav(self._path, one), language="en") for one in audio]
        return [pieces_of(transcript.words) for transcript in transcripts]

    async def turns(self, path: Path) -> Sequence[stenod.Segment]:
        return (await self._client.transcribe(path, language="en", diarization="channel")).segments


async def compare(bench: Bench, call: Call, *, console: Console, name: str) -> bool:
    """Two lines for every level and way; whether all of them hold."""
    said = await bench.apart(call.audio)
    clean = judged(call, said, said)
    report(console, f"{name}, no bleed, each channel alone", clean, clean)
    cases = [(None, PLAIN), *product(LEVELS_DB, WAYS)]
    holds = True
    for level_db, way in track(cases, description=name, console=Console(stderr=True)):
        audio = call.audio if level_db is None else bleeding(call.audio, level_db, way)
        case = f"{name}, " + ("no bleed" if level_db is None else f"{level_db:g} dB, {way.name}")
        outcome = judged(call, await bench.together(audio), said)
        report(console, case, outcome, clean)
        most_missed = MOST_LOST * clean.words
        if level_db is not None:
            apart = judged(call, await bench.apart(audio), said)
            report(console, f"{case}, each channel alone", apart, clean)
            holds &= len(apart.doubled) > MOST_DOUBLED_AT_ONCE * clean.words
            most_missed = max(most_missed, apart.missed(clean) if call.overlap_s else 0)
        holds &= outcome.accuracy >= LEAST_ACCURACY and outcome.missed(clean) <= most_missed
        holds &= len(outcome.doubled) <= (MOST_DOUBLED_AT_ONCE * clean.words if call.overlap_s else 0)
    return holds


def report(console: Console, name: str, outcome: Outcome, clean: Outcome) -> None:
    console.print(
        f"{name:62} accuracy {outcome.accuracy:7.2%}  words {outcome.heard:4}  foreign {len(outcome.foreign):4}  "
        f"doubled {len(outcome.doubled):4}  lost {outcome.lost(clean):3}  won {outcome.won(clean):3} of {outcome.words}"
        + (f"  ({' '.join(outcome.doubled)})" if 0 < len(outcome.doubled) < FEW else ""),
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
    console = Console(width=200)
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
