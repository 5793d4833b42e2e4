"""The `json-v2` rendering: the transcript of the Speechmatics batch API, format 2.9 (docs/dialects/speechmatics.md)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

from stenod_server.domain.diarization import UNKNOWN_SPEAKER
from stenod_server.domain.job import Job
from stenod_server.domain.transcript import Segment, Speaker, TranscriptInfo
from stenod_server.domain.uri import shown
from stenod_server.text import languages
from stenod_server.text.formatting.rules import writes_numerals
from stenod_server.text.json_v2_results import UNKNOWN_LANGUAGE, Results
from stenod_server.text.language_stretches import LanguageStretches

FORMAT: Final = "2.9"
_VERSION: Final = f"stenod-{version('stenod')}"


@dataclass(frozen=True, slots=True)
class JsonV2Extras:
    """What a dialect has to say in the head: configurations as its caller gave them, and for every feature that was
    asked for and is not there, the messages that say so.
    """

    transcription_config: Mapping[str, Any] = field(default_factory=dict)
    output_config: Mapping[str, Any] = field(default_factory=dict)
    feature_errors: Mapping[str, Sequence[str]] = field(default_factory=dict)


class JsonV2Renderer:
    """Writes results as soon as no later segment can begin before them. `metadata` comes last: what languages were
    spoken is known only then.
    """

    def __init__(self, job: Job, info: TranscriptInfo, extras: JsonV2Extras | None = None) -> None:
        self._job = job
        self._info = info
        self._extras = extras or JsonV2Extras()
        language = info.language or job.config.language
        self._results = Results(UNKNOWN_LANGUAGE if language in {"", "auto"} else language)
        self._languages = LanguageStretches(info)
        self._has_some = False

    def start(self) -> str:
        head = _dump({"format": FORMAT, "job": _about(self._job, self._info)})
        return f'{head[:-1]}, "results": ['

    def feed(self, segment: Segment) -> str:
        self._languages.feed(segment)
        return self._written(self._results.feed(segment))

    def finish(self) -> str:
        tail: dict[str, Any] = {}
        if self._job.config.diarization.return_identifiers:
            tail["speakers"] = [_speaker(one) for one in self._info.speakers if one.label != UNKNOWN_SPEAKER]
        tail["metadata"] = _metadata(self._job, self._info, self._extras, self._languages)
        return f"{self._written(self._results.finish())}\n], {_dump(tail)[1:]}\n"

    def _written(self, results: Iterator[Mapping[str, Any]]) -> str:
        lines: list[str] = []
        for result in results:
            lines.append(f"{',' if self._has_some else ''}\n{_dump(result)}")
            self._has_some = True
        return "".join(lines)


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


def _about(job: Job, info: TranscriptInfo) -> dict[str, Any]:
    about: dict[str, Any] = {
        "id": job.job_id,
        "created_at": timestamp(job.create_time),
        "data_name": data_name(job),
        "duration": whole_seconds(info.duration_s),
    }
    if tracking := tracking_of(job):
        about["tracking"] = tracking
    return about


def _metadata(job: Job, info: TranscriptInfo, extras: JsonV2Extras, spoken: LanguageStretches) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "created_at": timestamp(job.end_time or job.create_time),
        "type": "transcription",
        "orchestrator_version": _VERSION,
        "transcription_config": dict(extras.transcription_config) or {"language": job.config.language},
        "language_pack_info": _language_pack(job, info, spoken),
    }
    if job.config.language == "auto":
        metadata["language_identification"] = spoken.identification()
    if extras.output_config:
        metadata["output_config"] = dict(extras.output_config)
    for feature, messages in extras.feature_errors.items():
        metadata[f"{feature}_errors"] = [{"type": "unsupported", "message": message} for message in messages]
    return metadata


def _language_pack(job: Job, info: TranscriptInfo, spoken: LanguageStretches) -> dict[str, Any]:
    language = info.language or job.config.language
    pack: dict[str, Any] = {
        "language_description": languages.name_of(language),
        "word_delimiter": languages.word_delimiter(language),
        "writing_direction": languages.writing_direction(language),
        "itn": writes_numerals(job.config.formatting, language),
        "adapted": False,
    }
    if len(codes := spoken.languages()) > 1:
        pack["per_language_word_delimiters"] = {code: languages.word_delimiter(code) for code in codes}
        pack["per_language_writing_direction"] = {code: languages.writing_direction(code) for code in codes}
    return pack


def _speaker(speaker: Speaker) -> dict[str, Any]:
    return {"label": speaker.label, "speaker_identifiers": list(speaker.identifiers)}


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
