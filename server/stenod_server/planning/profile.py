"""What a node was measured to do: written by `stenod bench profile`, read by `stenod plan`."""

import json
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from stenod_server.errors import InvalidField

FORMAT: Final = 1
MEASURED: Final = "measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One kind of node with one model.

    `speeds`: seconds of audio done in a second, by engines in use; `engines` is what the node offers. `overhead_s` is
    what a job costs beside its audio: seconds of the whole node. `length_mean_s` and `length_cv` (the coefficient of
    variation) are of the recordings it was measured with, `window_s` what an engine takes at a time. `basis`:
    "measured", or who says so. `noise_ratio`: by how much repeated measurements differ.
    """

    name: str
    model: str
    machine: str
    gpu: str
    gpus: int
    engines: int
    speeds: tuple[tuple[int, float], ...]
    overhead_s: float
    length_mean_s: float
    length_cv: float
    window_s: float
    basis: str
    date: str
    noise_ratio: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        """Raises InvalidField."""
        if not self.speeds or any(engines <= 0 or speed <= 0 for engines, speed in self.speeds):
            raise InvalidField("profile.speeds", "needs a positive speed for at least one positive number of engines")
        if [engines for engines, _ in self.speeds] != sorted({engines for engines, _ in self.speeds}):
            raise InvalidField("profile.speeds", "must have each number of engines once, in order")
        positive = {"engines": self.engines, "length_mean_s": self.length_mean_s, "window_s": self.window_s}
        for field, value in positive.items():
            if value <= 0:
                raise InvalidField(f"profile.{field}", "must be positive")
        if self.overhead_s < 0 or self.length_cv < 0 or self.gpus < 0:
            raise InvalidField("profile", "overhead_s, length_cv and gpus must not be negative")

    def speed(self, engines: float) -> float:
        """Seconds of audio done in a second with so many engines in use, between measurements on a straight line, and
        no more than the most that was measured.
        """
        if engines <= 0:
            return 0.0
        engines = min(engines, self.engines)
        points = ((0, 0.0), *self.speeds)
        place = bisect_left([count for count, _ in points], engines)
        if place == len(points):
            return points[-1][1]
        (low, low_speed), (high, high_speed) = points[place - 1], points[place]
        return low_speed + (high_speed - low_speed) * (engines - low) / (high - low)

    def slower_by(self, ratio: float) -> "Profile":
        """As if everything went slower by this part of its speed; faster where it is negative."""
        left = 1 - ratio
        speeds = tuple((engines, left * speed) for engines, speed in self.speeds)
        return replace(self, speeds=speeds, overhead_s=self.overhead_s / left)

    @property
    def full_speed(self) -> float:
        return self.speed(self.engines)


def read_profile(text: str, source: str) -> Profile:
    """Raises InvalidField naming `source`."""
    try:
        plain: Mapping[str, Any] = json.loads(text)
        if plain.get("format") != FORMAT:
            raise InvalidField(source, f"is no profile of format {FORMAT}: write one with `stenod bench profile`")
        fields = {name: value for name, value in plain.items() if name != "format"}
        fields["speeds"] = tuple((int(one["engines"]), float(one["speed"])) for one in plain["speeds"])
        return Profile(**fields)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidField(source, f"is no profile: {error}") from error


def profile_json(profile: Profile) -> str:
    """What `read_profile` reads."""
    plain = {"format": FORMAT, **asdict(profile)}
    plain["speeds"] = [{"engines": engines, "speed": speed} for engines, speed in profile.speeds]
    return json.dumps(plain, indent=2, allow_nan=False) + "\n"
