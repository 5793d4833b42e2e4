"""What a job asks of how its transcript is shown."""

import math
from dataclasses import dataclass

from stenod_server.errors import InvalidField


@dataclass(frozen=True, slots=True)
class SubtitleShape:
    """The longest line in characters, the most lines of a cue, the reading speed that a cue should not ask for more
    than, the shortest time between two cues, and whether cues say who speaks. Raises InvalidField out of range.
    """

    max_line_length: int = 37
    max_lines: int = 2
    max_characters_per_s: float = 20.0
    min_gap_ms: int = 80
    speaker_names: bool = True

    def __post_init__(self) -> None:
        if not 10 <= self.max_line_length <= 200:
            raise InvalidField("subtitles.max_line_length", "must be 10 to 200")
        if not 1 <= self.max_lines <= 10:
            raise InvalidField("subtitles.max_lines", "must be 1 to 10")
        if not (math.isfinite(self.max_characters_per_s) and 5 <= self.max_characters_per_s <= 100):
            raise InvalidField("subtitles.max_characters_per_second", "must be 5 to 100")
        if not 0 <= self.min_gap_ms <= 1_000:
            raise InvalidField("subtitles.min_gap", "must be 0 to 1 s")
