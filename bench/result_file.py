"""The machine-readable result of every benchmark: a JSON document that `python -m bench.compare` sets beside another.

    {"schema": 2, "kind": "bench" | "stages" | "load", "machine": {…}, "about": {…}, "figures": [Figure, …], …}

`figures` is flat and all that a comparison reads; what else a benchmark knows stands beside it, under names of its own.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench.machine import Machine

SCHEMA: Final = 2  # 1 had no `schema`, `kind` and `figures`


@dataclass(frozen=True, slots=True)
class Figure:
    """One number. `better` is "higher" or "lower", "" where it is neither. Row and metric together are unique."""

    row: str
    metric: str
    value: float
    unit: str
    better: str = ""


class UnreadableResult(Exception):
    """A file that is no result, or one of another schema."""


def write_result(
    path: Path,
    kind: str,
    machine: Machine,
    figures: Iterable[Figure],
    *,
    about: Mapping[str, Any],
    **sections: Any,
) -> None:
    """`sections` must be ready for JSON."""
    document = {
        "schema": SCHEMA,
        "kind": kind,
        "machine": asdict(machine),
        "about": dict(about),
        "figures": [asdict(figure) for figure in figures],
        **sections,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")


def read_result(path: Path) -> dict[str, Any]:
    """Raises UnreadableResult."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UnreadableResult(f"{path}: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise UnreadableResult(f"{path} is no result of schema {SCHEMA}: measure again")
    return document


def figures_in(document: Mapping[str, Any]) -> list[Figure]:
    return [Figure(**figure) for figure in document["figures"]]
