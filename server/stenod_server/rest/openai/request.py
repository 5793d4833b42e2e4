"""What a form asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Final

from stenod_server.domain import job_rules
from stenod_server.domain.decoding import Task
from stenod_server.domain.diarization import Diarization, DiarizationMode
from stenod_server.domain.job import JobConfig, Media, Origin
from stenod_server.domain.transcript import Warning  # noqa: A004  the word the API uses
from stenod_server.errors import InvalidField
from stenod_server.rest.model_names import recogniser
from stenod_server.rest.openai.decoding import read_decoding
from stenod_server.rest.openai.fields import LANGUAGES, MEDIA, check_known, hints
from stenod_server.rest.received import ReceivedForm
from stenod_server.scheduler.abilities import WITHOUT_EFFECT

DIALECT: Final = "openai"
WORDS_OF_TRUTH: Final = {"": False, "false": False, "0": False, "true": True, "1": True}
CHUNKING: Final = ("auto", "server_vad")


class ResponseFormat(StrEnum):
    """How the transcript is to be given."""

    JSON = "json"
    TEXT = "text"
    SRT = "srt"
    VTT = "vtt"
    VERBOSE_JSON = "verbose_json"
    DIARIZED_JSON = "diarized_json"


class Granularity(StrEnum):
    """What `verbose_json` has the times of."""

    SEGMENT = "segment"
    WORD = "word"


STREAMED: Final = (ResponseFormat.JSON, ResponseFormat.TEXT, ResponseFormat.DIARIZED_JSON)
_SPEAKERS: Final = Diarization(mode=DiarizationMode.SPEAKER)


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """A job, and how its caller wants to hear of it."""

    media: Media
    config: JobConfig
    response_format: ResponseFormat
    granularities: frozenset[Granularity]
    stream: bool


def read_request(
    form: ReceivedForm,
    *,
    request_id: str,
    aliases: Mapping[str, str],
    loaded: Mapping[str, object],
    task: Task = Task.TRANSCRIBE,
) -> TranscriptionRequest:
    """Raises InvalidField, LimitExceeded, UnsupportedFeature."""
    check_known(form)
    if form.media is None:
        raise InvalidField(MEDIA, "is missing: no recording was sent")
    response_format = _response_format(form)
    stream = _truth(form, "stream")
    if stream and response_format not in STREAMED:
        raise InvalidField("stream", f"goes with response_format {' or '.join(STREAMED)}, not with {response_format}")
    if task is Task.TRANSLATE and response_format is ResponseFormat.DIARIZED_JSON:
        raise InvalidField("response_format", f"{response_format} goes with transcriptions alone")
    _check_hints(form)
    decoding, warnings = read_decoding(form, task)
    language = job_rules.language("language", form.one("language") or "")
    given = [code for code in form.all(*LANGUAGES.names) if code]
    languages = _expected(given) if language == "auto" else ()
    without_effect = [*hints(form), *([LANGUAGES] if len(languages) < len(given) else [])]
    config = JobConfig(
        language=language,
        expected_languages=languages,
        expected_hint=LANGUAGES.name if languages else "",
        model=recogniser(aliases, _model(form), loaded),
        decoding=decoding,
        diarization=_SPEAKERS if response_format is ResponseFormat.DIARIZED_JSON else Diarization(),
        warnings=(*(Warning(WITHOUT_EFFECT, f"{field.name}: {field.says}") for field in without_effect), *warnings),
        origin=Origin(dialect=DIALECT, request_id=request_id),
    )
    return TranscriptionRequest(form.media, config, response_format, _granularities(form, response_format), stream)


def _expected(given: Sequence[str]) -> tuple[str, ...]:
    codes = (code for code in given if job_rules.is_language(code) and code.lower() != "auto")
    return tuple(islice(codes, job_rules.MAX_EXPECTED_LANGUAGES))


def _model(form: ReceivedForm) -> str:
    name = form.one("model")
    if not name:
        raise InvalidField("model", "is missing: name a model, as of GET /v1/models")
    return job_rules.label("model", name)


def _response_format(form: ReceivedForm) -> ResponseFormat:
    given = form.one("response_format") or ResponseFormat.JSON
    try:
        return ResponseFormat(given)
    except ValueError as error:
        raise InvalidField("response_format", f"{given!r} is none of {', '.join(ResponseFormat)}") from error


def _granularities(form: ReceivedForm, response_format: ResponseFormat) -> frozenset[Granularity]:
    name = "timestamp_granularities"
    given = form.all(name, f"{name}[]")
    if given and response_format is not ResponseFormat.VERBOSE_JSON:
        raise InvalidField(name, "goes with response_format verbose_json")
    try:
        return frozenset(map(Granularity, given)) or frozenset({Granularity.SEGMENT})
    except ValueError as error:
        raise InvalidField(name, f"{', '.join(given)}: there are {' and '.join(Granularity)}") from error


def _truth(form: ReceivedForm, name: str) -> bool:
    given = form.one(name) or ""
    try:
        return WORDS_OF_TRUTH[given.lower()]
    except KeyError as error:
        raise InvalidField(name, f"{given!r} is neither true nor false") from error


def _check_hints(form: ReceivedForm) -> None:
    """A hint has no effect, and must make sense all the same."""
    for name in ("vad_filter", "without_timestamps"):
        _truth(form, name)
    if temperature := form.one("temperature"):
        try:
            is_sane = 0 <= float(temperature) <= 1
        except ValueError:
            is_sane = False
        if not is_sane:
            raise InvalidField("temperature", f"must be a number from 0 to 1, got {temperature!r}")
    kind = form.one("chunking_strategy[type]") or "server_vad"
    if kind not in CHUNKING:
        raise InvalidField("chunking_strategy", f"{kind!r} is neither {' nor '.join(CHUNKING)}")
