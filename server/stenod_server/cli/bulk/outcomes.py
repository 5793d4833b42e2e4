"""What became of each recording, and what the command says in the end."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from stenod_server.cli.bulk.items import Item

ALL_DONE: Final = 0
SOME_FAILED: Final = 1
USAGE: Final = 2
TEMPORARY: Final = 75  # EX_TEMPFAIL of sysexits.h: the same command may succeed later


class State(StrEnum):
    """How it ended."""

    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`was_there`: an earlier run had done it. `is_passing`: another attempt may not fail."""

    item: Item
    state: State
    job_id: str = ""
    was_there: bool = False
    audio_s: float = 0.0
    reason: str = ""
    message: str = ""
    is_passing: bool = False

    def as_json(self) -> Mapping[str, Any]:
        """The same whichever run has done it."""
        item = self.item
        told = {
            "key": item.key,
            "uri": item.uri,
            "version": item.version,
            "size_bytes": item.size_bytes,
            "state": str(self.state),
            "result": f"{item.name}.json" if self.state is State.DONE else None,
            "job_id": self.job_id,
        }
        return told if self.state is State.DONE else told | {"reason": self.reason, "message": self.message}


@dataclass(frozen=True, slots=True)
class Tally:
    """The whole of a run. Without an outcome: what it did not come to."""

    outcomes: Sequence[Outcome | None]
    elapsed_s: float

    @property
    def failed(self) -> Sequence[Outcome]:
        return [one for one in self.outcomes if one and one.state is State.FAILED]

    @property
    def exit_status(self) -> int:
        if None in self.outcomes:
            return TEMPORARY
        return SOME_FAILED if self.failed else ALL_DONE

    @property
    def exit_status_of_a_container(self) -> int:
        """As whoever starts it again wants to know: another attempt is worth it where one failure was passing."""
        return TEMPORARY if any(one.is_passing for one in self.failed) else self.exit_status

    def lines(self) -> Iterable[str]:
        """A table, and how fast it went."""
        kinds = Counter(_kind(one) for one in self.outcomes)
        new = [one for one in self.outcomes if _kind(one) == "done"]
        audio_s = sum(one.audio_s for one in new if one)
        yield f"{'':<14} {'objects':>8} {'audio min':>10}"
        for kind in ("done", "there already", "failed", "left"):
            audio = f"{audio_s / 60:10.1f}" if kind == "done" else ""
            yield f"{kind:<14} {kinds[kind]:>8} {audio}".rstrip()
        speed = f", {audio_s / self.elapsed_s:.1f} x real time" if audio_s and self.elapsed_s else ""
        yield f"{len(self.outcomes)} objects in {self.elapsed_s:.1f} s{speed}"


def _kind(outcome: Outcome | None) -> str:
    if outcome is None:
        return "left"
    if outcome.state is State.FAILED:
        return "failed"
    return "there already" if outcome.was_there else "done"


def write_retry_list(path: Path, failed: Iterable[Outcome]) -> None:
    """One JSON object a line; `read_list` reads it. Raises OSError."""
    said = ({"key": one.item.key, "reason": one.reason, "message": one.message} for one in failed)
    path.write_text("".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in said), "utf-8")


def read_list(path: Path) -> frozenset[str]:
    """Keys, one a line: plain, or of a retry list. Raises OSError, ValueError."""
    lines = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
    return frozenset(str(json.loads(line)["key"]) if line.startswith("{") else line for line in lines)
