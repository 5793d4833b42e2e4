"""Plain text: a line for each paragraph, and a line `SPEAKER: S1` wherever somebody else begins to speak."""

from stenod_server.domain.transcript import Segment
from stenod_server.text.turns import Turn, Turns


class TxtRenderer:
    """Holds nothing but who spoke last. A transcript without speech is empty."""

    def __init__(self) -> None:
        self._turns = Turns()
        self._turn: Turn | None = None
        self._said_by = ""

    def start(self) -> str:
        return ""

    def feed(self, segment: Segment) -> str:
        text = " ".join(segment.text.split())
        if not text:
            return ""
        before, self._turn = self._turn, self._turns.place(segment)
        if self._turn == before:
            return f" {text}"
        end = "\n" if before else ""
        return f"{end}{self._heading(segment)}{text}"

    def finish(self) -> str:
        return "\n" if self._turn else ""

    def _heading(self, segment: Segment) -> str:
        # Channels tell who speaks where voices were not told apart, so both appear in the same way.
        said_by = segment.speaker or segment.channel
        if said_by == self._said_by:
            return ""
        self._said_by = said_by
        return f"SPEAKER: {said_by}\n" if said_by else ""
