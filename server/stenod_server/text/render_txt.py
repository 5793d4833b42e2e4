"""Plain text: one paragraph for each segment, and a line `SPEAKER: S1` wherever somebody else begins to speak."""

from stenod_server.domain.transcript import Segment


class TxtRenderer:
    """Holds nothing but who spoke last. A transcript without speech is empty."""

    def __init__(self) -> None:
        self._said_by = ""

    def start(self) -> str:
        return ""

    def feed(self, segment: Segment) -> str:
        text = " ".join(segment.text.split())
        if not text:
            return ""
        return f"{self._heading(segment)}{text}\n"

    def finish(self) -> str:
        return ""

    def _heading(self, segment: Segment) -> str:
        # Channels tell who speaks where voices were not told apart, so both appear in the same way.
        said_by = segment.speaker or segment.channel
        if said_by == self._said_by:
            return ""
        self._said_by = said_by
        return f"SPEAKER: {said_by}\n" if said_by else ""
