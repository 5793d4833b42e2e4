"""Word times compared with faster-whisper's, there being no reference times.

    python -m bench.word_times                      the bare recogniser
    python -m bench.word_times --system service     the service, through the API
    python -m bench.word_times --words FILE.json    anything else: {clip id: [{text, start_s, end_s}]}

The clean read English recordings; words are paired where both systems say the same. Prints the median and the 90th
percentile of the differences of starts and of ends, also apart for words inside speech and for those after a pause.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Final

from bench.catalogue import DEFAULT_MODEL
from bench.measure import SystemFailed, measure
from bench.peers_venv import peers_python
from bench.preparation import build_models
from bench.protocol import Word
from bench.recordings import CACHE_DIR, NoSpeechSet, Recording, clean_read_recordings
from bench.request import request_for
from bench.wer import normalised
from stenod_models.export.errors import ModelBuildError

ORACLE_FILE: Final = CACHE_DIR / "word_times_faster_whisper.json"
_TIMEOUT_S: Final = 3600.0
_PAUSE_S: Final = 0.1
_FEWEST_PAIRS: Final = 2

Words = Mapping[str, Sequence[Word]]


@dataclass(frozen=True, slots=True)
class Pair:
    """A word that both said. `is_after_pause`: the oracle heard a pause before it, or it is the recording's first.

    There faster-whisper itself is unsure: it begins many first words at 0.
    """

    ours: Word
    oracle: Word
    is_after_pause: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences in seconds over the words that were paired; `bias` is the median of ours - the oracle's."""

    pairs: int
    start_median_s: float
    start_p90_s: float
    start_bias_s: float
    end_median_s: float
    end_p90_s: float

    def __str__(self) -> str:
        starts = f"{_ms(self.start_median_s)} (median), {_ms(self.start_p90_s)} (p90), bias {_ms(self.start_bias_s)}"
        ends = f"{_ms(self.end_median_s)} (median), {_ms(self.end_p90_s)} (p90)"
        return f"{self.pairs} words: starts differ by {starts}; ends by {ends}"


def compare(pairs: Sequence[Pair]) -> Comparison:
    """Raises ValueError where there are fewer than two pairs."""
    if len(pairs) < _FEWEST_PAIRS:
        raise ValueError(f"only {len(pairs)} words could be paired: nothing to compare")
    shifts = [pair.ours.start_s - pair.oracle.start_s for pair in pairs]
    ends = [abs(pair.ours.end_s - pair.oracle.end_s) for pair in pairs]
    starts = [abs(shift) for shift in shifts]
    return Comparison(
        pairs=len(pairs),
        start_median_s=statistics.median(starts),
        start_p90_s=_p90(starts),
        start_bias_s=statistics.median(shifts),
        end_median_s=statistics.median(ends),
        end_p90_s=_p90(ends),
    )


def paired(found: Words, oracle: Words) -> list[Pair]:
    """Over the recordings that both know."""
    return [pair for clip in oracle if clip in found for pair in paired_in_clip(found[clip], oracle[clip])]


def paired_in_clip(found: Sequence[Word], oracle: Sequence[Word]) -> Iterator[Pair]:
    """The words that both said at the same place of the text."""
    ours, theirs = _spelled(found), _spelled(oracle)
    matcher = SequenceMatcher(None, [text for text, _ in ours], [text for text, _ in theirs], autojunk=False)
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            at = block.b + offset
            pause_s = theirs[at][1].start_s - theirs[at - 1][1].end_s if at else _PAUSE_S
            yield Pair(ours[block.a + offset][1], theirs[at][1], is_after_pause=pause_s >= _PAUSE_S)


def _spelled(words: Sequence[Word]) -> list[tuple[str, Word]]:
    """With their normalised text; what the normaliser leaves nothing of ("hmm") cannot be paired."""
    return [(text, word) for word in words if (text := normalised(word.text))]


def oracle_words(recordings: Sequence[Recording]) -> Words:
    """faster-whisper's words of these recordings; recognised at the first call, then kept in ORACLE_FILE."""
    known = _read(ORACLE_FILE) if ORACLE_FILE.is_file() else {}
    missing = [recording for recording in recordings if recording.clip.id not in known]
    if missing:
        print(f"faster-whisper listens to {len(missing)} recordings (once)…", file=sys.stderr)
        request = request_for(missing, scenarios=("words",), model="int8")
        known = known | measure("faster_whisper", peers_python(), request, timeout_s=_TIMEOUT_S).words
        partial = ORACLE_FILE.with_suffix(".partial")
        partial.write_text(_written(known))
        partial.rename(ORACLE_FILE)
    return {recording.clip.id: known[recording.clip.id] for recording in recordings}


def words_of(system: str, recordings: Sequence[Recording]) -> Words:
    """The words of `bare` (the recogniser with the service's own windows) or `service` (through the API)."""
    build_models()
    request = request_for(recordings, scenarios=("words",), model=DEFAULT_MODEL)
    return measure(system, Path(sys.executable), request, timeout_s=_TIMEOUT_S).words


def _read(path: Path) -> dict[str, list[Word]]:
    return {clip: [Word(**word) for word in words] for clip, words in json.loads(path.read_text()).items()}


def _written(words: Words) -> str:
    return json.dumps({clip: [asdict(word) for word in found] for clip, found in words.items()}) + "\n"


def _ms(value_s: float) -> str:
    return f"{value_s * 1000:.0f} ms"


def _p90(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=10)[-1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.word_times", description=__doc__.splitlines()[0])
    parser.add_argument("--system", choices=("bare", "service"), default="bare", help="whose words (default: bare)")
    parser.add_argument("--words", type=Path, metavar="FILE", help="words from a file instead")
    parser.add_argument("--clips", type=int, metavar="N", help="only the first N recordings")
    parser.add_argument("--oracle-only", action="store_true", help="only make faster-whisper's words")
    options = parser.parse_args()
    try:
        recordings = clean_read_recordings(options.clips)
        oracle = oracle_words(recordings)
        if options.oracle_only:
            return 0
        found = _read(options.words) if options.words else words_of(options.system, recordings)
        pairs = paired(found, oracle)
        print(f"{len(pairs)} of {sum(map(len, oracle.values()))} words could be paired")
        print(f"all            {compare(pairs)}")
        print(f"inside speech  {compare([pair for pair in pairs if not pair.is_after_pause])}")
        print(f"after a pause  {compare([pair for pair in pairs if pair.is_after_pause])}")
    except (NoSpeechSet, SystemFailed, ModelBuildError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
