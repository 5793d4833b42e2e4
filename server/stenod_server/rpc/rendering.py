"""The API's transcript formats and subtitle options, checked and converted."""

from collections.abc import Mapping
from typing import Final

from stenod.v1 import transcript_pb2
from stenod_server.errors import InvalidField
from stenod_server.text.cue_layout import SubtitleShape
from stenod_server.text.render import TranscriptFormat

_FORMATS: Final[Mapping[int, TranscriptFormat | None]] = {
    transcript_pb2.TRANSCRIPT_FORMAT_UNSPECIFIED: None,
    transcript_pb2.TRANSCRIPT_FORMAT_JSON: TranscriptFormat.JSON,
    transcript_pb2.TRANSCRIPT_FORMAT_JSON_V2: TranscriptFormat.JSON_V2,
    transcript_pb2.TRANSCRIPT_FORMAT_TXT: TranscriptFormat.TXT,
    transcript_pb2.TRANSCRIPT_FORMAT_SRT: TranscriptFormat.SRT,
    transcript_pb2.TRANSCRIPT_FORMAT_VTT: TranscriptFormat.VTT,
}


def format_of(value: int) -> TranscriptFormat | None:
    """None asks for messages rather than text. Raises InvalidField."""
    try:
        return _FORMATS[value]
    except KeyError as error:
        raise InvalidField("format", f"{value} is not a TranscriptFormat") from error


def subtitle_shape(message: transcript_pb2.SubtitleOptions) -> SubtitleShape:
    """Raises InvalidField for a value out of its range."""
    defaults = SubtitleShape()
    return SubtitleShape(
        max_line_length=message.max_line_length if message.HasField("max_line_length") else defaults.max_line_length,
        max_lines=message.max_lines if message.HasField("max_lines") else defaults.max_lines,
    )
