"""What a decoder says of one window: its tokens, when they were said, and how sure the model was."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Emissions:
    """Equally long lists. Token i spans encoded frames [starts[i], ends[i]); an end may equal its start."""

    tokens: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)

    def add(self, token: int, *, start: int, end: int, probability: float) -> None:
        self.tokens.append(token)
        self.starts.append(start)
        self.ends.append(end)
        self.probabilities.append(probability)
