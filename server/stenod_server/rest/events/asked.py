"""What is wanted of the objects of an event: a configuration, and where the results go."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final

from stenod_server.domain import job_rules
from stenod_server.domain.diarization import Diarization, DiarizationMode
from stenod_server.domain.job import JobConfig, Media, Origin, RemoteMedia
from stenod_server.domain.notification import Content, Notification
from stenod_server.rest.events.shapes import CreatedObject
from stenod_server.scheduler.fingerprint import fingerprint
from stenod_server.scheduler.intake import RemoteOrigin
from stenod_server.scheduler.scheduler import Submission

DIALECT: Final = "events"
_ID_CHARACTERS: Final = 40


class OutputForm(StrEnum):
    """What is written of a job that has ended: its transcript, or, however it ended, the job itself."""

    JSON = "json"
    JSON_V2 = "json-v2"
    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JOB = "job"


class Diarize(StrEnum):
    """Who is told apart."""

    NONE = "none"
    CHANNEL = "channel"
    SPEAKER = "speaker"


_CONTENTS: Final = {
    OutputForm.JSON: Content.JSON,
    OutputForm.JSON_V2: Content.JSON_V2,
    OutputForm.TXT: Content.TXT,
    OutputForm.SRT: Content.SRT,
    OutputForm.VTT: Content.VTT,
    OutputForm.JOB: Content.JOBINFO,
}
_MODES: Final = {
    Diarize.NONE: DiarizationMode.NONE,
    Diarize.CHANNEL: DiarizationMode.CHANNEL,
    Diarize.SPEAKER: DiarizationMode.SPEAKER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`output`: the prefix that results go below; empty: they stay at the server. `{tenant}` in it is the caller's."""

    language: str = ""
    model: str = ""
    operating_point: str = ""
    diarization: Diarize = Diarize.NONE
    output: str = ""
    forms: Sequence[OutputForm] = ()

    def config(self) -> JobConfig:
        """Raises InvalidField."""
        return JobConfig(
            language=job_rules.language("language", self.language),
            model=self.model,
            operating_point=self.operating_point,
            diarization=Diarization(mode=_MODES[self.diarization]),
            origin=Origin(DIALECT),
        )

    def is_result(self, created: CreatedObject) -> bool:
        """Whether it lies where results go: an event of ours makes no job, or it would never end."""
        return bool(self.output) and created.uri.startswith(f"{self.output.rstrip('/')}/")

    def notification(self, created: CreatedObject) -> Notification:
        """The result's place keeps the object's key, but for its ending."""
        name = PurePosixPath(created.key).with_suffix("")
        contents = tuple(_CONTENTS[form] for form in dict.fromkeys(self.forms))
        return Notification(url=f"{self.output.rstrip('/')}/{name}", contents=contents)


def submission(created: CreatedObject, config: JobConfig, output: Notification | None) -> Submission:
    """The same for every repetition of an event, and another one for another version of the object."""
    source = {"uri": created.uri, "version": created.version, "size_bytes": created.size_bytes}
    full = replace(
        config,
        details_json=json.dumps({"source": source}, sort_keys=True),
        notifications=(output,) if output else (),
    )
    identity = fingerprint(Media(key="", remote=RemoteMedia(uri=created.uri)), full)
    return Submission(config=full, request_id=f"event-{identity[:_ID_CHARACTERS]}")


def origin(created: CreatedObject) -> RemoteOrigin:
    return RemoteOrigin(RemoteMedia(uri=created.uri))
