"""Jobs and uploads ↔ rows. JSON is canonical (sorted keys, no blanks), so that equal things are equal text."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa

from stenod_server.domain import transcript
from stenod_server.domain.decoding import Decoding, Hint, Option, Task, VocabularyEntry
from stenod_server.domain.diarization import Diarization, DiarizationMode, KnownSpeaker
from stenod_server.domain.formatting import Formatting, ProfanityFilter, Replacement
from stenod_server.domain.job import (
    Checkpoint,
    Failure,
    Job,
    JobConfig,
    JobState,
    LowConfidenceAction,
    Media,
    Origin,
    Progress,
    RemoteMedia,
)
from stenod_server.domain.notification import Content, Method, Notice, NoticeState, Notification
from stenod_server.domain.rendering import SubtitleShape
from stenod_server.domain.transcript import Speaker, TranscriptInfo
from stenod_server.ports import Upload

_DURATIONS: Final = ("ttl", "deadline")
RATIO_DIGITS: Final = 4  # finer than any recogniser's confidence means
_PLAIN_COLUMNS: Final = (
    "job_id", "tenant", "create_time", "update_time", "start_time", "end_time", "expire_time", "attempt", "failures",
    "rescues", "request_id", "fingerprint", "node", "lease_token", "lease_expire_time", "not_before", "deadline_time",
    "cancel_requested", "interactive",
)  # fmt: skip


def to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


# --- jobs -----------------------------------------------------------------------------------------------------------


def job_row(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in _PLAIN_COLUMNS} | {
        "state": str(job.state),
        "user_id": job.config.user_id,
        "model": job.config.model,
        "priority": job.config.priority,
        "reserved_engines": job.config.parallel_engines,
        "config": config_json(job.config),
        "media": media_json(job.media),
        "media_key": job.media.key,
        "keep_media": job.config.keep_media,
        "ttl_s": job.ttl.total_seconds(),
        "progress": progress_json(job.progress),
        "checkpoint": checkpoint_json(job.checkpoint) if job.checkpoint else None,
        "notices": notices_json(job.notices),
        "failure": failure_json(job.failure) if job.failure else None,
        "info": info_json(job.info) if job.info else None,
    }


def read_job(row: sa.Row[Any]) -> Job:
    column = row._mapping  # noqa: SLF001  the documented way to read a row by name
    return Job(
        **{name: column[name] for name in _PLAIN_COLUMNS},
        state=JobState(column["state"]),
        config=read_config(column["config"]),
        media=_read_media(column["media"]),
        ttl=timedelta(seconds=column["ttl_s"]),
        progress=Progress(**json.loads(column["progress"])),
        checkpoint=Checkpoint(**json.loads(column["checkpoint"])) if column["checkpoint"] else None,
        failure=Failure(**json.loads(column["failure"])) if column["failure"] else None,
        info=_read_info(column["info"]) if column["info"] else None,
        notices=read_notices(column["notices"]),
    )


def config_json(config: JobConfig) -> str:
    """Every field, defaults too: a default that changes later does not change a job that is stored."""
    plain = asdict(config)
    for name in _DURATIONS:
        plain[f"{name}_s"] = plain.pop(name).total_seconds()
    if not config.origin.traceparent:
        del plain["origin"]["traceparent"]  # nodes that do not know it yet can read what has none
    return to_json(plain)


@lru_cache(maxsize=128)
def read_config(text: str) -> JobConfig:
    """Frozen, so that jobs that were given the same share one."""
    plain = json.loads(text)
    for name in _DURATIONS:
        plain[name] = timedelta(seconds=plain.pop(f"{name}_s", 0.0))
    plain["tags"] = tuple(plain["tags"])
    plain["expected_languages"] = tuple(plain.get("expected_languages", ()))
    plain["low_confidence_action"] = LowConfidenceAction(plain.get("low_confidence_action", LowConfidenceAction.ALLOW))
    plain["warnings"] = _read_warnings(plain.get("warnings", ()))
    plain["notifications"] = tuple(map(_read_notification, plain.get("notifications", ())))
    plain["origin"] = Origin(**plain.get("origin", {}))
    plain["decoding"] = _read_decoding(plain.get("decoding", {}))
    plain["formatting"] = _read_formatting(plain.get("formatting", {"punctuation": plain.pop("punctuation", True)}))
    plain["diarization"] = _read_diarization(plain.get("diarization", {}))
    plain["subtitles"] = SubtitleShape(**plain.get("subtitles", {}))
    return JobConfig(**plain)


def _read_decoding(plain: dict[str, Any]) -> Decoding:
    """Empty of a job that was stored before there was any."""
    read: dict[str, Any] = {
        "vocabulary": tuple(
            VocabularyEntry(**entry | {"sounds_like": tuple(entry["sounds_like"])})
            for entry in plain.get("vocabulary", ())
        ),
        "hints": tuple(Hint(Option(hint["option"]), hint["field"]) for hint in plain.get("hints", ())),
    }
    if "task" in plain:
        read["task"] = Task(plain["task"])
    return Decoding(**plain | read)


def _read_formatting(plain: Mapping[str, Any]) -> Formatting:
    """Of a job that was stored before there was any, `punctuation` alone."""
    read: dict[str, Any] = {
        "permitted_marks": tuple(plain.get("permitted_marks", ())),
        "asked": tuple(plain.get("asked", ())),
        "profanity_filter": ProfanityFilter(plain.get("profanity_filter", ProfanityFilter.KEEP)),
        "replacements": tuple(Replacement(**one) for one in plain.get("replacements", ())),
    }
    return Formatting(**{**plain, **read})


def _read_diarization(plain: Mapping[str, Any]) -> Diarization:
    """Empty of a job that was stored before there was any."""
    read: dict[str, Any] = {
        "mode": DiarizationMode(plain.get("mode", DiarizationMode.NONE)),
        "channel_labels": tuple(plain.get("channel_labels", ())),
        "known_speakers": tuple(
            KnownSpeaker(one["label"], tuple(one["identifiers"])) for one in plain.get("known_speakers", ())
        ),
    }
    return Diarization(**{**plain, **read})


def _read_notification(plain: Mapping[str, Any]) -> Notification:
    return Notification(
        url=plain["url"],
        contents=tuple(map(Content, plain["contents"])),
        method=Method(plain["method"]),
        headers=tuple((name, value) for name, value in plain["headers"]),
    )


def notification_json(notification: Notification) -> str:
    return to_json(asdict(notification))


def read_notification(text: str) -> Notification:
    return _read_notification(json.loads(text))


def notices_json(notices: Iterable[Notice]) -> str:
    return to_json([asdict(notice) for notice in notices])


def read_notices(text: str) -> tuple[Notice, ...]:
    return tuple(Notice(**plain | {"state": NoticeState(plain["state"])}) for plain in json.loads(text))


def media_json(media: Media) -> str:
    """An address's headers are kept as long as it is to be fetched."""
    return to_json(asdict(media))


def _read_media(text: str) -> Media:
    plain = json.loads(text)
    if remote := plain.get("remote"):
        plain["remote"] = RemoteMedia(
            uri=remote["uri"], headers=tuple((name, value) for name, value in remote["headers"])
        )
    return Media(**plain)


def checkpoint_json(checkpoint: Checkpoint) -> str:
    return to_json(asdict(checkpoint))


def progress_json(progress: Progress) -> str:
    return to_json(asdict(progress))


def failure_json(failure: Failure) -> str:
    return to_json(asdict(failure))


def info_json(info: TranscriptInfo) -> str:
    return to_json(asdict(info) | {"language_confidence": round(info.language_confidence, RATIO_DIGITS)})


def _read_info(text: str) -> TranscriptInfo:
    plain = json.loads(text)
    plain["warnings"] = _read_warnings(plain["warnings"])
    plain["speakers"] = tuple(Speaker(one["label"], tuple(one["identifiers"])) for one in plain.get("speakers", ()))
    plain["channels"] = tuple(plain.get("channels", ()))
    return TranscriptInfo(**plain)


def _read_warnings(plain: Iterable[Mapping[str, str]]) -> tuple[transcript.Warning, ...]:
    return tuple(transcript.Warning(**warning) for warning in plain)


# --- uploads --------------------------------------------------------------------------------------------------------


def upload_row(upload: Upload) -> dict[str, Any]:
    return asdict(upload)


def read_upload(row: sa.Row[Any]) -> Upload:
    return Upload(**row._mapping)  # noqa: SLF001  the documented way to read a row by name
