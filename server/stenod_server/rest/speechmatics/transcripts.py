"""Transcripts in this API's formats, with what its configuration says of them."""

from enum import StrEnum
from typing import Final

from stenod_server.domain.job import Job
from stenod_server.domain.rendering import SubtitleShape
from stenod_server.rest.speechmatics.echo import echoed, said
from stenod_server.rest.speechmatics.outcomes import missing_features
from stenod_server.text.json_v2 import JsonV2Extras
from stenod_server.text.render import Renderer, TranscriptFormat, open_renderer

JSON_V2_TYPE: Final = "application/vnd.speechmatics.v2+json"


class TranscriptForm(StrEnum):
    """The formats that can be asked for."""

    JSON_V2 = "json-v2"
    TXT = "txt"
    SRT = "srt"

    @property
    def content_type(self) -> str:
        return JSON_V2_TYPE if self is TranscriptForm.JSON_V2 else "text/plain; charset=utf-8"


def open_transcript(form: TranscriptFormat, job: Job, shape: SubtitleShape | None = None) -> Renderer:
    """`shape` goes over that of the job's configuration. Raises JobNotFinished for a job without a transcript."""
    config, shown = said(job), echoed(job)
    extras = JsonV2Extras(
        shown.get("transcription_config", {}), shown.get("output_config", {}), missing_features(config)
    )
    return open_renderer(form, job, shape, extras)
