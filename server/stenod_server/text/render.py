"""Chooses a renderer by format; the one door of this package for those who send transcripts."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Protocol

from stenod_server.domain.job import Job
from stenod_server.domain.rendering import SubtitleShape
from stenod_server.domain.transcript import Segment
from stenod_server.errors import JobNotFinished
from stenod_server.text.json_v2 import JsonV2Extras, JsonV2Renderer
from stenod_server.text.render_json import JsonRenderer
from stenod_server.text.render_subtitles import SrtRenderer, VttRenderer
from stenod_server.text.render_txt import TxtRenderer


class TranscriptFormat(StrEnum):
    """A form in which a transcript can be rendered; the value is its name on the command line and in file names."""

    JSON = "json"
    JSON_V2 = "json-v2"
    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"


class Renderer(Protocol):
    """Turns the segments of one transcript into text, piece by piece. The pieces, joined, are the rendering."""

    def start(self) -> str:
        """The text before the first segment. Called once, first; as all pieces, it may be empty."""
        ...

    def feed(self, segment: Segment) -> str:
        """The text that is certain once this segment is known. Segments come in order of start time."""
        ...

    def finish(self) -> str:
        """The rest. Called once, after the last segment."""
        ...


def open_renderer(
    form: TranscriptFormat, job: Job, shape: SubtitleShape | None = None, extras: JsonV2Extras | None = None
) -> Renderer:
    """A fresh renderer for the transcript of a SUCCEEDED job. `shape` is of srt and vtt, and
    goes over that of the job; `extras` is of json-v2.

    Raises JobNotFinished for a job without a transcript.
    """
    if job.info is None:
        message = f"job {job.job_id} is {job.state}: it has no transcript"
        raise JobNotFinished(message, state=job.state)
    match form:
        case TranscriptFormat.JSON:
            return JsonRenderer(job.job_id, job.info)
        case TranscriptFormat.TXT:
            return TxtRenderer()
        case TranscriptFormat.SRT:
            return SrtRenderer(shape or job.config.subtitles)
        case TranscriptFormat.VTT:
            return VttRenderer(shape or job.config.subtitles)
        case TranscriptFormat.JSON_V2:
            return JsonV2Renderer(job, job.info, extras)


class Opener(Protocol):
    """Opens a renderer, as `open_renderer` does."""

    def __call__(self, form: TranscriptFormat, job: Job, shape: SubtitleShape | None = None) -> Renderer: ...


class Renderings:
    """Transcripts as the dialect writes them that their job came through, whichever way they leave."""

    def __init__(self, by_dialect: Mapping[str, Opener]) -> None:
        self._by_dialect = by_dialect

    def open(self, form: TranscriptFormat, job: Job, shape: SubtitleShape | None = None) -> Renderer:
        """Raises JobNotFinished for a job without a transcript."""
        return self._by_dialect.get(job.config.origin.dialect, open_renderer)(form, job, shape)


def render(renderer: Renderer, segments: Iterable[Segment]) -> Iterator[str]:
    """The pieces of the rendering, in order."""
    yield renderer.start()
    yield from map(renderer.feed, segments)
    yield renderer.finish()
