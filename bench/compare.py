"""Two results side by side, such as before and after a change: `python -m bench.compare before.json after.json`.

Takes the files that `--json` writes, of one kind. A ratio is after ÷ before; which way is better depends on the figure.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.result_file import Figure, UnreadableResult, figures_in, read_result
from bench.table import aligned

_SAME_RATIO = 0.02  # differences up to this are said to be none


@dataclass(frozen=True, slots=True)
class Change:
    """`ratio` is after ÷ before; None where one of them is missing, or before is 0."""

    row: str
    metric: str
    unit: str
    before: float | None
    after: float | None
    better: str

    @property
    def ratio(self) -> float | None:
        return self.after / self.before if self.before and self.after is not None else None

    @property
    def verdict(self) -> str:
        if self.before is None or self.after is None:
            return "gone" if self.after is None else "new"
        if not self.better or self.ratio is None:
            return ""
        if abs(self.ratio - 1) <= _SAME_RATIO:
            return "same"
        return "better" if (self.ratio > 1) == (self.better == "higher") else "worse"


def changes(before: Sequence[Figure], after: Sequence[Figure]) -> list[Change]:
    """Every figure of either, those of `before` first, in their order."""
    old, new = ({(figure.row, figure.metric): figure for figure in figures} for figures in (before, after))
    found = []
    for key in {**old, **new}:
        figure = new.get(key) or old[key]
        values = [side[key].value if key in side else None for side in (old, new)]
        found.append(Change(*key, figure.unit, values[0], values[1], figure.better))
    return found


def table(found: Sequence[Change]) -> str:
    lines: list[Sequence[str]] = [("row", "figure", "before", "after", "ratio", "")]
    for change in found:
        ratio = "-" if change.ratio is None else f"{change.ratio:.2f}"
        values = (_shown(value, change.unit) for value in (change.before, change.after))
        lines.append((change.row, change.metric, *values, ratio, change.verdict))
    return aligned(lines)


def _shown(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.4g} {unit}".strip()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    options = parser.parse_args()
    try:
        before, after = read_result(options.before), read_result(options.after)
    except UnreadableResult as error:
        print(error, file=sys.stderr)
        return 1
    if before["kind"] != after["kind"]:
        print(f"{options.before} is of {before['kind']}, {options.after} of {after['kind']}", file=sys.stderr)
        return 1
    for name, document in (("before", before), ("after", after)):
        machine = document["machine"]
        print(f"{name}: {machine['cpu']}, {machine['cores']} cores, load {machine['load']:.1f}; {document['about']}")
    print("\n" + table(changes(figures_in(before), figures_in(after))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
