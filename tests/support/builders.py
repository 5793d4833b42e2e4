"""Things that tests need and do not care about the details of; what a test is about, it says itself."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from stenod_server.domain.job import Job, JobConfig, Media
from stenod_server.domain.transcript import Segment, TranscriptInfo, Word
from stenod_server.ports import Upload

START = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
_numbers = itertools.count(1)


class FakeClock:
    """A `ports.Clock` that stands still until it is told to go on."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self._monotonic_s = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def advance(self, seconds: float) -> datetime:
        """Let time pass; gives the new `now`."""
        self._now += timedelta(seconds=seconds)
        self._monotonic_s += seconds
        return self._now


def make_config(**changes: Any) -> JobConfig:
    return replace(JobConfig(language="en", model="fake"), **changes)


def make_job(**changes: Any) -> Job:
    """A QUEUED job, younger by a second than the one made before; its own id, media and fingerprint."""
    number = next(_numbers)
    create_time = changes.pop("create_time", START + timedelta(seconds=number))
    plain: dict[str, Any] = {
        "job_id": f"job-{number:06}",
        "tenant": "default",
        "config": make_config(),
        "media": Media(key=f"media/{number:06}", size_bytes=32_000, sha256=f"{number:064x}", file_name="speech.wav"),
        "create_time": create_time,
        "update_time": create_time,
        "fingerprint": f"fingerprint-{number}",
    }
    return Job(**plain | changes)


def make_segment(index: int, text: str = "so it goes", **changes: Any) -> Segment:
    """A segment of one second per index, a word every tenth of a second."""
    start_samples = index * 16_000
    words = tuple(
        Word(piece, start_samples + place * 1600, start_samples + place * 1600 + 1500, 0.875)
        for place, piece in enumerate(text.split())
    )
    return replace(Segment(index, words), **changes)


def make_info(**changes: Any) -> TranscriptInfo:
    plain = TranscriptInfo(
        duration_samples=160_000, language="en", language_confidence=0.5, model="fake", speech_samples=80_000, windows=2
    )
    return replace(plain, **changes)


def make_upload(**changes: Any) -> Upload:
    number = next(_numbers)
    plain: dict[str, Any] = {
        "upload_id": f"upload-{number}",
        "tenant": "default",
        "file_name": "speech.wav",
        "size_bytes": 0,
        "offset_bytes": 0,
        "complete": False,
        "sha256": "",
        "create_time": START,
        "expire_time": START + timedelta(hours=1),
    }
    return Upload(**plain | changes)
