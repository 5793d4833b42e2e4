"""The `json-v2` rendering: the transcript of the Speechmatics batch API, format 2.9 (docs/dialects/speechmatics.md).

Words and marks of punctuation are results of their own, in order of start and, of those that start together, the
longest first; times in seconds from the start of the file, to the millisecond. A mark stands at the end of its word.
What follows begins at least a millisecond after what is before it, so that the order of time is the order of reading.
"""

import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

from stenod_server.domain.job import Job
from stenod_server.domain.transcript import LANGUAGE_UNCERTAIN, Segment, TranscriptInfo, Word
from stenod_server.domain.uri import shown
from stenod_server.text import languages
from stenod_server.text.punctuation import is_sentence_end, split_marks

FORMAT: Final = "2.9"
UNKNOWN_SPEAKER: Final = "UU"
_UNKNOWN_LANGUAGE: Final = "und"


@dataclass(frozen=True, slots=True)
class JsonV2Extras:
    """What a dialect has to say in the head: configurations as its caller gave them, and for every feature that was
    asked for and is not there, the messages that say so.
    """

    transcription_config: Mapping[str, Any] = field(default_factory=dict)
    output_config: Mapping[str, Any] = field(default_factory=dict)
    feature_errors: Mapping[str, Sequence[str]] = field(default_factory=dict)


class JsonV2Renderer:
    """Writes results as soon as no later segment can begin before them."""

    def __init__(self, job: Job, info: TranscriptInfo, extras: JsonV2Extras | None = None) -> None:
        self._head = _head(job, info, extras or JsonV2Extras())
        self._results = _Results(info.language or job.config.language)
        self._has_some = False

    def start(self) -> str:
        return f'{self._head[:-1]}, "results": ['

    def feed(self, segment: Segment) -> str:
        return self._written(self._results.feed(segment))

    def finish(self) -> str:
        return self._written(self._results.finish()) + "\n]}\n"

    def _written(self, results: Iterator[Mapping[str, Any]]) -> str:
        lines: list[str] = []
        for result in results:
            lines.append(f"{',' if self._has_some else ''}\n{_dump(result)}")
            self._has_some = True
        return "".join(lines)


class _Results:
    """Orders the results; what is held are those of the segments that overlap."""

    def __init__(self, language: str) -> None:
        self._language = _UNKNOWN_LANGUAGE if language in {"", "auto"} else language
        self._order = count()
        self._waiting: list[tuple[int, int, int, Mapping[str, Any]]] = []  # a heap: start, longest first, as fed
        self._earliest_ms: dict[tuple[str, str], int] = {}  # by channel and speaker

    def feed(self, segment: Segment) -> Iterator[Mapping[str, Any]]:
        if not segment.words:
            return
        yield from self._release(before_ms=_ms(segment.start_s))
        for word in segment.words:
            self._add(word, segment)

    def finish(self) -> Iterator[Mapping[str, Any]]:
        yield from self._release(before_ms=None)

    def _release(self, before_ms: int | None) -> Iterator[Mapping[str, Any]]:
        while self._waiting and (before_ms is None or self._waiting[0][0] < before_ms):
            yield heapq.heappop(self._waiting)[-1]

    def _add(self, word: Word, segment: Segment) -> None:
        content, marks = split_marks(" ".join(word.text.split()))
        said_by = (word.channel or segment.channel, word.speaker or segment.speaker)
        start_ms = max(_ms(word.start_s), self._earliest_ms.get(said_by, 0))
        end_ms = max(_ms(word.end_s), start_ms)
        if content:
            self._push(start_ms, end_ms, {"type": "word", **self._result(start_ms, end_ms, content, word, segment)})
        for place, mark in enumerate(marks, start=1):
            self._push(
                end_ms,
                end_ms,
                {
                    "type": "punctuation",
                    "is_eos": place == _last_end(marks),
                    "attaches_to": "previous" if content else "none",
                    **self._result(end_ms, end_ms, mark, word, segment),
                },
            )
        self._earliest_ms[said_by] = (end_ms if marks else start_ms) + 1

    def _push(self, start_ms: int, end_ms: int, result: Mapping[str, Any]) -> None:
        heapq.heappush(self._waiting, (start_ms, -end_ms, next(self._order), result))

    def _result(self, start_ms: int, end_ms: int, content: str, word: Word, segment: Segment) -> dict[str, Any]:
        channel = word.channel or segment.channel
        alternative = {
            "content": content,
            "confidence": round(word.confidence, 4),
            "language": word.language or segment.language or self._language,
            "speaker": word.speaker or segment.speaker or UNKNOWN_SPEAKER,
        }
        return {
            "start_time": start_ms / 1000,
            "end_time": end_ms / 1000,
            **({"channel": channel} if channel else {}),
            "alternatives": [alternative],
        }


def whole_seconds(seconds: float) -> int:
    """Lengths are integers in this API."""
    return round(seconds)


def timestamp(at: datetime) -> str:
    """As that API writes it: UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def data_name(job: Job) -> str:
    """The recording's name; where it has none, the address it came from."""
    return job.media.file_name or (shown(job.media.remote.uri) if job.media.remote else "")


def tracking_of(job: Job) -> dict[str, Any]:
    """What the caller calls the job; empty where nothing was said."""
    config = job.config
    said = {
        "title": config.title,
        "reference": config.reference,
        "tags": list(config.tags),
        "details": json.loads(config.details_json) if config.details_json else None,
    }
    return {name: value for name, value in said.items() if value}


def _head(job: Job, info: TranscriptInfo, extras: JsonV2Extras) -> str:
    about: dict[str, Any] = {
        "id": job.job_id,
        "created_at": timestamp(job.create_time),
        "data_name": data_name(job),
        "duration": whole_seconds(info.duration_s),
    }
    if tracking := tracking_of(job):
        about["tracking"] = tracking
    return _dump({"format": FORMAT, "job": about, "metadata": _metadata(job, info, extras)})


def _metadata(job: Job, info: TranscriptInfo, extras: JsonV2Extras) -> dict[str, Any]:
    language = info.language or job.config.language
    metadata: dict[str, Any] = {
        "created_at": timestamp(job.end_time or job.create_time),
        "type": "transcription",
        "transcription_config": dict(extras.transcription_config) or {"language": job.config.language},
        "language_pack_info": {
            "language_description": languages.name_of(language),
            "word_delimiter": languages.word_delimiter(language),
            "writing_direction": "right-to-left" if languages.is_right_to_left(language) else "left-to-right",
            "itn": False,
            "adapted": False,
        },
    }
    if job.config.language == "auto":
        metadata["language_identification"] = _identification(info)
    if extras.output_config:
        metadata["output_config"] = dict(extras.output_config)
    for feature, messages in extras.feature_errors.items():
        metadata[f"{feature}_errors"] = [{"type": "unsupported", "message": message} for message in messages]
    return metadata


def _identification(info: TranscriptInfo) -> dict[str, Any]:
    if not info.language:
        return {"results": [], "error": "NO_SPEECH", "message": "nothing was said"}
    heard = {"language": info.language, "confidence": round(info.language_confidence, 4)}
    span = {"alternatives": [heard], "start_time": 0, "end_time": round(info.duration_s, 3)}
    doubt = next((warning.message for warning in info.warnings if warning.reason == LANGUAGE_UNCERTAIN), "")
    return {"results": [span], "error": "LOW_CONFIDENCE" if doubt else None, "message": doubt}


def _last_end(marks: str) -> int:
    """The place of the last mark that ends a sentence, from 1; 0: none does."""
    return max((place for place, mark in enumerate(marks, start=1) if is_sentence_end(mark)), default=0)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
