"""Time."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Time as an argument: the wall clock in aware UTC, and seconds that never go back."""

    def now(self) -> datetime: ...

    def monotonic_s(self) -> float: ...
