"""The `json` rendering: one object; times in seconds from the start of the file, rounded to the millisecond.

    {"job_id", "language", "language_confidence", "duration", "warnings",
     "segments": [{"start", "end", "text", "speaker", "channel", "language",
                   "words": [{"text", "start", "end", "confidence", "speaker", "channel"}]}],
     "speakers": [{"label"}], "text"}

What is not known (no language without speech, no speaker without diarization) is null. `speakers` and `text` come after
the segments because only then they are known: the text alone is held until the end, about 50 kB for an hour of speech.
Each segment is one line, so that the file can also be read with line tools.
"""

import json
from typing import Any

from stenod_server.domain.transcript import Segment, TranscriptInfo, Word


class JsonRenderer:
    """Writes segments as they come."""

    def __init__(self, job_id: str, info: TranscriptInfo) -> None:
        head = _members(
            job_id=job_id,
            language=info.language or None,
            language_confidence=_ratio(info.language_confidence),
            duration=_seconds(info.duration_s),
            warnings=[{"reason": warning.reason, "message": warning.message} for warning in info.warnings],
        )
        self._head = f'{{{head}, "segments": ['
        self._texts: list[str] = []
        self._speakers: dict[str, None] = {}  # an ordered set: by first appearance

    def start(self) -> str:
        return self._head

    def feed(self, segment: Segment) -> str:
        separator = "," if self._texts else ""
        self._texts.append(segment.text)
        for word in segment.words:
            if label := word.speaker or segment.speaker:
                self._speakers[label] = None
        return f"{separator}\n{_dump(_segment(segment))}"

    def finish(self) -> str:
        tail = _members(speakers=[{"label": label} for label in self._speakers], text=" ".join(self._texts))
        return f"\n], {tail}}}\n"


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "start": _seconds(segment.start_s),
        "end": _seconds(segment.end_s),
        "text": segment.text,
        "speaker": segment.speaker or None,
        "channel": segment.channel or None,
        "language": segment.language or None,
        "words": [_word(word, segment) for word in segment.words],
    }


def _word(word: Word, segment: Segment) -> dict[str, Any]:
    return {
        "text": word.text,
        "start": _seconds(word.start_s),
        "end": _seconds(word.end_s),
        "confidence": _ratio(word.confidence),
        "speaker": word.speaker or segment.speaker or None,
        "channel": word.channel or segment.channel or None,
    }


def _members(**fields: Any) -> str:
    return ", ".join(f"{_dump(key)}: {_dump(value)}" for key, value in fields.items())


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _seconds(seconds: float) -> float:
    return round(seconds, 3)


def _ratio(ratio: float) -> float:
    return round(ratio, 4)
