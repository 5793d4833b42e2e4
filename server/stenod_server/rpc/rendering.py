"""The API's transcript formats and subtitle options, checked and converted."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from stenod.v1 import transcript_pb2
from stenod_server.domain.rendering import SubtitleShape
from stenod_server.errors import InvalidField
from stenod_server.text.render import TranscriptFormat

_FORMATS: Final[Mapping[int, TranscriptFormat | None]] = {
    transcript_pb2.TRANSCRIPT_FORMAT_UNSPECIFIED: None,
    transcript_pb2.TRANSCRIPT_FORMAT_JSON: TranscriptFormat.JSON,
    transcript_pb2.TRANSCRIPT_FORMAT_JSON_V2: TranscriptFormat.JSON_V2,
    transcript_pb2.TRANSCRIPT_FORMAT_TXT: TranscriptFormat.TXT,
    transcript_pb2.TRANSCRIPT_FORMAT_SRT: TranscriptFormat.SRT,
    transcript_pb2.TRANSCRIPT_FORMAT_VTT: TranscriptFormat.VTT,
}

_PLAIN: Final = {
    "max_line_length": "max_line_length",
    "max_lines": "max_lines",
    "max_characters_per_second": "max_characters_per_s",
    "speaker_names": "speaker_names",
}


def format_of(value: int) -> TranscriptFormat | None:
    """None asks for messages rather than text. Raises InvalidField."""
    try:
        return _FORMATS[value]
    except KeyError as error:
        raise InvalidField("format", f"{value} is not a TranscriptFormat") from error


def subtitle_shape(
    message: transcript_pb2.SubtitleOptions, otherwise: SubtitleShape, *, within: str = ""
) -> SubtitleShape:
    """What the message leaves out is as `otherwise` has it. `within` is the path of the message that holds this one.

    Raises InvalidField for a value out of its range.
    """
    given = {ours: getattr(message, theirs) for theirs, ours in _PLAIN.items() if message.HasField(theirs)}
    if message.HasField("min_gap"):
        given["min_gap_ms"] = message.min_gap.ToMilliseconds()
    try:
        return replace(otherwise, **given)
    except InvalidField as error:
        raise InvalidField(f"{within}{error.field}", error.problem) from error


def subtitle_options(shape: SubtitleShape) -> transcript_pb2.SubtitleOptions:
    message = transcript_pb2.SubtitleOptions(**{theirs: getattr(shape, ours) for theirs, ours in _PLAIN.items()})
    message.min_gap.FromMilliseconds(shape.min_gap_ms)
    return message
