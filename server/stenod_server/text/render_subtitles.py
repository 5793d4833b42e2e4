"""SubRip and WebVTT. Cues are built of whole words and never overlap."""

from stenod_server.domain.diarization import UNKNOWN_SPEAKER
from stenod_server.domain.rendering import SubtitleShape
from stenod_server.domain.transcript import Segment
from stenod_server.text.cue_track import Cue, CueTrack

_DASH = "-"  # before each line of a dialogue whose speakers are not named in the text


class SrtRenderer:
    """SubRip: numbered cues. It has no notation for who speaks, so names stand in the text, wherever they change."""

    def __init__(self, shape: SubtitleShape) -> None:
        self._track = CueTrack(shape, _name if shape.speaker_names else _dash)
        self._number = 0

    def start(self) -> str:
        return ""

    def feed(self, segment: Segment) -> str:
        return "".join(map(self._write, self._track.feed(segment)))

    def finish(self) -> str:
        return "".join(map(self._write, self._track.finish()))

    def _write(self, cue: Cue) -> str:
        self._number += 1
        # The arrow is the one text that players take for a time line.
        text = "\n".join(line for _, lines in cue.lines for line in lines).replace("-->", "->")
        return f"{self._number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{text}\n\n"


class VttRenderer:
    """WebVTT: hours always written, text escaped, names in voice spans, which players may style and do not show."""

    def __init__(self, shape: SubtitleShape) -> None:
        self._track = CueTrack(shape, _dash)
        self._names_speakers = shape.speaker_names

    def start(self) -> str:
        return "WEBVTT\n\n"

    def feed(self, segment: Segment) -> str:
        return "".join(map(self._write, self._track.feed(segment)))

    def finish(self) -> str:
        return "".join(map(self._write, self._track.finish()))

    def _write(self, cue: Cue) -> str:
        voices = [self._voice(said_by, "\n".join(map(_escape, lines))) for said_by, lines in cue.lines]
        text = "\n".join(voices) if len(voices) > 1 else voices[0].removesuffix("</v>")
        return f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{text}\n\n"

    def _voice(self, said_by: str, text: str) -> str:
        return f"<v {_escape(said_by)}>{text}</v>" if _is_known(said_by) and self._names_speakers else text


def _name(said_by: str, before: str, *, in_dialogue: bool) -> str:
    if not _is_known(said_by):
        return _DASH if in_dialogue and said_by else ""
    return f"{said_by}:" if in_dialogue or said_by != before else ""


def _is_known(said_by: str) -> bool:
    return said_by not in {"", UNKNOWN_SPEAKER}


def _dash(said_by: str, before: str, *, in_dialogue: bool) -> str:  # noqa: ARG001  a Lead
    return _DASH if in_dialogue else ""


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(milliseconds: int, decimal_mark: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{decimal_mark}{milliseconds:03}"
