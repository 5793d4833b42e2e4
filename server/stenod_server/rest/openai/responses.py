"""The transcript in each of the dialect's formats."""

import json
import math
import zlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from starlette.responses import Response

from stenod_server.domain.decoding import Task
from stenod_server.domain.diarization import UNKNOWN_SPEAKER
from stenod_server.domain.job import Job
from stenod_server.domain.transcript import Segment, TranscriptInfo, Word
from stenod_server.rest.openai.languages import language_name
from stenod_server.rest.openai.request import Granularity, ResponseFormat, TranscriptionRequest
from stenod_server.text.render import TranscriptFormat, open_renderer

JSON: Final = "application/json"
PLAIN: Final = "text/plain; charset=utf-8"
# Starlette adds the charset to text/plain on its own account, and only there.
CONTENT_TYPES: Final = {
    ResponseFormat.JSON: JSON,
    ResponseFormat.VERBOSE_JSON: JSON,
    ResponseFormat.DIARIZED_JSON: JSON,
    ResponseFormat.TEXT: PLAIN,
    ResponseFormat.SRT: PLAIN,
    ResponseFormat.VTT: PLAIN,
}
_SUBTITLES: Final = {ResponseFormat.SRT: TranscriptFormat.SRT, ResponseFormat.VTT: TranscriptFormat.VTT}
_FRAMES_PER_S: Final = 100  # what `seek` counts in
_LEAST_PROBABILITY: Final = 1e-10


async def answer(request: TranscriptionRequest, job: Job, segments: AsyncIterator[Segment]) -> Response:
    """The transcript of a SUCCEEDED job."""
    assert job.info  # noqa: S101  a job that succeeded has it
    kept = [segment async for segment in segments]
    return Response(
        _body(request, job, job.info, kept),
        media_type=CONTENT_TYPES[request.response_format],
    )


def usage(info: TranscriptInfo) -> dict[str, Any]:
    return {"type": "duration", "seconds": _seconds(info.duration_s)}


def _body(request: TranscriptionRequest, job: Job, info: TranscriptInfo, segments: Sequence[Segment]) -> str:
    text = " ".join(segment.text for segment in segments)
    match request.response_format:
        case ResponseFormat.JSON:
            return _dump({"text": text, "usage": usage(info)})
        case ResponseFormat.VERBOSE_JSON:
            return _dump(_verbose(request, info, segments, text))
        case ResponseFormat.DIARIZED_JSON:
            return _dump(_diarized(info, segments, text))
        case ResponseFormat.TEXT:
            return f"{text}\n"
        case ResponseFormat.SRT | ResponseFormat.VTT:
            renderer = open_renderer(_SUBTITLES[request.response_format], job)
            return "".join([renderer.start(), *map(renderer.feed, segments), renderer.finish()])


def _verbose(
    request: TranscriptionRequest, info: TranscriptInfo, segments: Sequence[Segment], text: str
) -> dict[str, Any]:
    task = request.config.decoding.task
    whole: dict[str, Any] = {
        "task": str(task),
        "language": language_name("en" if task is Task.TRANSLATE else info.language),
        "duration": _seconds(info.duration_s),
        "text": text,
    }
    if Granularity.WORD in request.granularities:
        whole["words"] = [_word(word) for segment in segments for word in segment.words]
    if Granularity.SEGMENT in request.granularities:
        whole["segments"] = [_segment(segment) for segment in segments]
    return whole | {"usage": usage(info)}


def _diarized(info: TranscriptInfo, segments: Sequence[Segment], text: str) -> dict[str, Any]:
    return {
        "task": str(Task.TRANSCRIBE),
        "duration": _seconds(info.duration_s),
        "text": text,
        "segments": list(map(diarized_segment, segments)),
        "usage": usage(info),
    }


def diarized_segment(segment: Segment) -> dict[str, Any]:
    return {
        "id": f"seg_{segment.index}",
        "type": "transcript.text.segment",
        "start": _seconds(segment.start_s),
        "end": _seconds(segment.end_s),
        "speaker": segment.speaker or UNKNOWN_SPEAKER,
        "text": segment.text,
    }


def _segment(segment: Segment) -> dict[str, Any]:
    """Texts begin with a blank, as those of the original do: who joins them gets the whole text."""
    return {
        "id": segment.index,
        "seek": round(segment.start_s * _FRAMES_PER_S),
        "start": _seconds(segment.start_s),
        "end": _seconds(segment.end_s),
        "text": f" {segment.text}",
        "tokens": [],  # not every recogniser has such, and none's are kept
        "temperature": 0.0,
        "avg_logprob": _mean_logprob(segment.words),
        "compression_ratio": _compression_ratio(segment.text),
        "no_speech_prob": 0.0,  # windows that are no speech give no segments
    }


def _word(word: Word) -> dict[str, Any]:
    return {"word": word.text, "start": _seconds(word.start_s), "end": _seconds(word.end_s)}


def _mean_logprob(words: Sequence[Word]) -> float:
    """Of words, for want of tokens: the logarithm of their confidence."""
    logprobs = [math.log(max(word.confidence, _LEAST_PROBABILITY)) for word in words]
    return round(math.fsum(logprobs) / len(logprobs), 4)


def _compression_ratio(text: str) -> float:
    data = text.encode()
    return round(len(data) / len(zlib.compress(data)), 4)


def _seconds(seconds: float) -> float:
    return round(seconds, 3)


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
