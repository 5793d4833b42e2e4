"""The shape of the cues of srt and vtt, as keywords."""

from datetime import timedelta
from typing import Any, TypedDict

from stenod.v1 import transcript_pb2


class SubtitleOptions(TypedDict, total=False):
    """What each means is said in `stenod/v1/transcript.proto`."""

    max_line_length: int
    max_lines: int
    max_characters_per_second: float
    min_gap_s: float
    speaker_names: bool


def subtitle_options(given: SubtitleOptions) -> transcript_pb2.SubtitleOptions:
    """Raises TypeError, ValueError for what is none of them."""
    plain: dict[str, Any] = dict(given)
    if "min_gap_s" in plain:
        plain["min_gap"] = timedelta(seconds=plain.pop("min_gap_s"))
    return transcript_pb2.SubtitleOptions(**plain)
