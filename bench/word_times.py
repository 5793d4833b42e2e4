"""Word times compared with faster-whisper's, there being no reference times.

    python -m bench.word_times                      the bare recogniser
    python -m bench.word_times --words FILE.json    any other system: {clip id: [{text, start_s, end_s}]}

The clean read English recordings; words are paired where both systems say the same. Prints the median and the 90th
percentile of the differences of starts and of ends.
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

from bench.measure import SystemFailed, measure
from bench.peers_venv import peers_python
from bench.protocol import Request, Word
from bench.recordings import CACHE_DIR, NoSpeechSet, Recording, clean_read_recordings
from bench.request import request_for
from bench.wer import normalised

ORACLE_FILE: Final = CACHE_DIR / "word_times_faster_whisper.json"
_TIMEOUT_S: Final = 3600.0

Words = Mapping[str, Sequence[Word]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences in seconds over `pairs` words that both said, of `words` that the oracle said."""

    words: int
    pairs: int
    start_median_s: float
    start_p90_s: float
    end_median_s: float
    end_p90_s: float
    start_bias_s: float

    def __str__(self) -> str:
        starts = f"{_ms(self.start_median_s)} (median), {_ms(self.start_p90_s)} (p90), bias {_ms(self.start_bias_s)}"
        ends = f"{_ms(self.end_median_s)} (median), {_ms(self.end_p90_s)} (p90)"
        return f"{self.pairs} of {self.words} words paired; starts differ by {starts}; ends by {ends}"


def compare(found: Words, oracle: Words) -> Comparison:
    """Over the clips that both know. Raises ValueError where fewer than two words can be paired."""
    clips = [clip for clip in oracle if clip in found]
    pairs = [pair for clip in clips for pair in paired(found[clip], oracle[clip])]
    if len(pairs) < 2:
        raise ValueError(f"{len(pairs)} words of {len(clips)} recordings agree: nothing to compare")
    shifts = [ours.start_s - theirs.start_s for ours, theirs in pairs]
    starts = [abs(shift) for shift in shifts]
    ends = [abs(ours.end_s - theirs.end_s) for ours, theirs in pairs]
    return Comparison(
        words=sum(len(oracle[clip]) for clip in clips),
        pairs=len(pairs),
        start_median_s=statistics.median(starts),
        start_p90_s=_p90(starts),
        end_median_s=statistics.median(ends),
        end_p90_s=_p90(ends),
        start_bias_s=statistics.median(shifts),
    )


def paired(found: Sequence[Word], oracle: Sequence[Word]) -> Iterator[tuple[Word, Word]]:
    """The words that both said at the same place of the text."""
    ours, theirs = [normalised(word.text) for word in found], [normalised(word.text) for word in oracle]
    for block in SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks():
        yield from zip(found[block.a :][: block.size], oracle[block.b :][: block.size], strict=True)


def oracle_words(recordings: Sequence[Recording]) -> Words:
    """faster-whisper's words of these recordings; recognised at the first call, then kept in ORACLE_FILE."""
    known = _read(ORACLE_FILE) if ORACLE_FILE.is_file() else {}
    missing = [recording for recording in recordings if recording.clip.id not in known]
    if missing:
        print(f"faster-whisper listens to {len(missing)} recordings (once)…", file=sys.stderr)
        request = request_for(missing, scenarios=("words",))
        known = known | measure("faster_whisper", peers_python(), request, timeout_s=_TIMEOUT_S).words
        ORACLE_FILE.write_text(_written(known))
    return {recording.clip.id: known[recording.clip.id] for recording in recordings}


def bare_words(recordings: Sequence[Recording]) -> Words:
    """The bare recogniser's words, with the service's own windows."""
    request: Request = request_for(recordings, scenarios=("words",))
    return measure("bare", Path(sys.executable), request, timeout_s=_TIMEOUT_S).words


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
    parser.add_argument("--words", type=Path, metavar="FILE", help="a system's words; default: the bare recogniser's")
    parser.add_argument("--clips", type=int, metavar="N", help="only the first N recordings")
    parser.add_argument("--oracle-only", action="store_true", help=f"only make {ORACLE_FILE.name}")
    options = parser.parse_args()
    try:
        recordings = clean_read_recordings(options.clips)
        oracle = oracle_words(recordings)
        if options.oracle_only:
            return 0
        found = _read(options.words) if options.words else bare_words(recordings)
        print(compare(found, oracle))
    except (NoSpeechSet, SystemFailed, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
