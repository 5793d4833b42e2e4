"""What the OpenAPI document says of the dialect."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel

from stenod_server.domain import job_rules
from stenod_server.rest.openai.fields import FIELDS, MEDIA, Field, Outcome
from stenod_server.rest.openai.request import CHUNKING, WORDS_OF_TRUTH, Granularity, ResponseFormat

_REQUIRED: Final = [MEDIA, "model"]
_TRUTHS: Final = {"enum": list(WORDS_OF_TRUTH)}
_LIMITS: Final[Mapping[str, Mapping[str, Any]]] = {
    MEDIA: {"format": "binary"},
    "model": {"minLength": 1, "maxLength": job_rules.MAX_LABEL_CHARACTERS},
    "language": {"pattern": job_rules.LANGUAGE_PATTERN, "maxLength": job_rules.MAX_LANGUAGE_CHARACTERS},
    "response_format": {"enum": ["", *ResponseFormat]},
    "timestamp_granularities": {"enum": list(Granularity)},
    "stream": _TRUTHS,
    "vad_filter": _TRUTHS,
    "without_timestamps": _TRUTHS,
    "temperature": {"pattern": r"^(0(\.[0-9]+)?|1(\.0+)?)?$"},
    "chunking_strategy[type]": {"enum": ["", *CHUNKING]},
}
_RETRY: Final = {"Retry-After": {"description": "Seconds", "schema": {"type": "string"}}}


class Problem(BaseModel):
    """What went wrong. `param`: the field that is to blame."""

    message: str
    type: str
    param: str | None
    code: str


class ProblemAnswer(BaseModel):
    """The shape of every error."""

    error: Problem


class Usage(BaseModel):
    """The length of the recording in seconds."""

    type: str
    seconds: float


class Word(BaseModel):
    """Times in seconds from the start of the file."""

    word: str
    start: float
    end: float


class Segment(BaseModel):
    """`avg_logprob` is the mean logarithm of the words' confidence; `tokens` is empty, `no_speech_prob` and
    `temperature` are 0: none of the three is kept.
    """

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


class SpeakerSegment(BaseModel):
    """What one speaker says, of `diarized_json`. `speaker` is `UU` where that is not known."""

    id: str
    type: str
    start: float
    end: float
    speaker: str
    text: str


class Transcription(BaseModel):
    """`json` has text and usage; `verbose_json` all, words and segments as asked for; `diarized_json` has no words, and
    segments of speakers.
    """

    text: str
    usage: Usage
    task: str | None = None
    language: str | None = None
    duration: float | None = None
    words: list[Word] | None = None
    segments: list[Segment] | list[SpeakerSegment] | None = None


class Model(BaseModel):
    """A name that `model` may have. `created` is not known, and 0."""

    id: str
    object: str
    created: int
    owned_by: str


class ModelList(BaseModel):
    """Loaded recognisers, and names that stand for one."""

    object: str
    data: list[Model]


DOOR: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ProblemAnswer, "description": description}
    for status, description in {
        HTTPStatus.UNAUTHORIZED: "No credentials, or wrong ones",
        HTTPStatus.FORBIDDEN: "The caller may not do this",
        HTTPStatus.TOO_MANY_REQUESTS: "The rate of calls is above the caller's limit, or no place at the node",
        HTTPStatus.INTERNAL_SERVER_ERROR: "A fault of the server, with its id in the log",
        HTTPStatus.SERVICE_UNAVAILABLE: "The node cannot answer now",
    }.items()
}
TRANSCRIBE: Final[dict[int | str, dict[str, Any]]] = DOOR | {
    HTTPStatus.OK: {
        "model": Transcription,
        "description": "The transcript, in the format asked for. A JSON body may begin with blanks, which keep the "
        "connection alive",
        "content": {"text/plain": {"schema": {"type": "string"}}, "text/event-stream": {}},
    },
    HTTPStatus.BAD_REQUEST: {
        "model": ProblemAnswer,
        "description": "A field is wrong, or its feature not built; the model cannot translate; or the recording "
        "cannot be transcribed",
    },
    HTTPStatus.NOT_FOUND: {"model": ProblemAnswer, "description": "Nothing stands for the model, or the job is gone"},
    HTTPStatus.REQUEST_TIMEOUT: {"model": ProblemAnswer, "description": "The form stopped coming"},
    HTTPStatus.CONFLICT: {"model": ProblemAnswer, "description": "Somebody cancelled the job"},
    HTTPStatus.GONE: {"model": ProblemAnswer, "description": "The transcript's retention ended"},
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: {"model": ProblemAnswer, "description": "The recording is too large"},
    HTTPStatus.UNPROCESSABLE_ENTITY: {"model": ProblemAnswer, "description": "Another limit is exceeded"},
    HTTPStatus.GATEWAY_TIMEOUT: {"model": ProblemAnswer, "description": "The job's deadline has passed"},
    HTTPStatus.TOO_MANY_REQUESTS: {
        "model": ProblemAnswer,
        "description": "No engine is free, the queue is full, or a quota is used up",
        "headers": _RETRY,
    },
}
_LINKS: Final = {"Model": {"operationId": "OpenAiGetModel", "parameters": {"model": "$response.body#/data/0/id"}}}
MODELS: Final[dict[int | str, dict[str, Any]]] = DOOR | {HTTPStatus.OK: {"links": _LINKS}}
MODEL: Final[dict[int | str, dict[str, Any]]] = DOOR | {
    HTTPStatus.NOT_FOUND: {"model": ProblemAnswer, "description": "No recogniser stands for this name"}
}


def form() -> dict[str, Any]:
    """The request body of a transcription."""
    known = [field for field in FIELDS if field.outcome is not Outcome.REFUSED]
    properties = {name: _property(field) for field in known for name in field.names}
    schema = {"type": "object", "required": _REQUIRED, "properties": properties, "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def _property(field: Field) -> dict[str, Any]:
    value = {"type": "string", **_LIMITS.get(field.name, {})}
    described = {"description": f"{field.says} ({field.outcome})"}
    return ({"type": "array", "items": value} if field.is_list else value) | described
