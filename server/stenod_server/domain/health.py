"""Whether a node is well: what probes are told, whatever they speak."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """The answers, as they are at this moment: calls can be answered; a submit sent now would be accepted; work in
    flight progresses; a recogniser answers.
    """

    ready: bool
    accepting: bool
    alive: bool
    recognises: bool = False


STARTING: Final = NodeHealth(ready=False, accepting=False, alive=True)  # models may load for minutes


class Stall:
    """Tells work that hangs from work that waits for its recogniser: restarting the node would not bring that back."""

    def __init__(self) -> None:
        self._excused_until_s = float("-inf")

    def lasting_s(self, silent_s: float, *, excused: bool, now_s: float) -> float:
        """How long nothing was finished that could have been; `silent_s` since anything was. To be asked often."""
        if excused:
            self._excused_until_s = now_s
        return min(silent_s, now_s - self._excused_until_s)
