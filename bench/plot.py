"""The picture of the README: `python -m bench.plot BENCH.json STAGES.json`, of what `--json` wrote, on one machine.

Writes docs/benchmark.png and docs/benchmark.svg: how fast stenod and its peers are, and where its processor time goes.
The ground is light and opaque, so that it is as readable on a dark page.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.recordings import PROJECT_DIR
from bench.result_file import Figure, UnreadableResult, figures_in, read_result

Bars = Sequence[tuple[str, float]]

_GROUND, _INK, _FAINT = "#fbfbf9", "#1f2328", "#59636e"
_OURS, _OTHERS = "#1f6feb", "#a7b0ba"
_SIZE: Final = (10.0, 4.6)  # inches
_DPI: Final = 160
_LEAST_SHARE: Final = 0.01  # stages below this go together


def speeds(found: Sequence[Figure]) -> Bars:
    """x real time by row, the fastest first; the loops that are stenod's own yardstick are left out."""
    bars = [(figure.row, figure.value) for figure in found if figure.metric == "speed"]
    return sorted((bar for bar in bars if not bar[0].startswith("bare loop")), key=lambda bar: -bar[1])


def costs(found: Sequence[Figure]) -> Bars:
    """Processor seconds for each hour of audio by stage, the largest first; small ones and negative rests in one."""
    values = {figure.row: figure.value for figure in found if figure.metric == "CPU"}
    total = values.pop("all", sum(values.values()))
    shown = {name: value for name, value in values.items() if value >= _LEAST_SHARE * total}
    rest = total - sum(shown.values())
    ranked = sorted(shown.items(), key=lambda bar: -bar[1])
    return [*ranked, ("others together", rest)] if abs(rest) > 0.05 else ranked


def machine_line(document: Mapping[str, Any]) -> str:
    machine, about = document["machine"], document["about"]
    quiet = "" if machine["load"] <= machine["cores"] / 2 else ", not quiet"
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB{quiet}; "
        f"{about['recordings']} recordings, {about['audio_s'] / 60:.0f} min of English speech"
    )


def draw(speed: Bars, cost: Bars, caption: str, targets: Sequence[Path]) -> None:
    """`targets` end in .png or .svg."""
    import matplotlib as mpl  # noqa: PLC0415 - heavy, and the tests of what is drawn need none of it

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415 - after the backend is chosen

    style: Any = {"font.family": "sans-serif", "font.size": 9, "svg.hashsalt": "stenod", "text.color": _INK}
    with plt.rc_context(style):
        figure, (left, right) = plt.subplots(1, 2, figsize=_SIZE, facecolor=_GROUND, layout="constrained")
        _bars(left, speed, "x real time", "{:.0f} x")
        _bars(right, cost, "stenod: CPU seconds for an hour of audio", "{:.1f}")
        figure.supxlabel(caption, fontsize=7.5, color=_FAINT)
        for target in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
            undated = {"Date": None} if target.suffix == ".svg" else {"Software": None}
            figure.savefig(target, dpi=_DPI, facecolor=_GROUND, metadata=undated)
        plt.close(figure)


def _bars(axes: Any, bars: Bars, title: str, shown: str) -> None:
    names, values = [name for name, _value in bars], [value for _name, value in bars]
    is_peers = [not name.startswith("stenod") and any(row.startswith("stenod") for row in names) for name in names]
    axes.barh(names, values, color=[_OTHERS if other else _OURS for other in is_peers], height=0.66)
    axes.invert_yaxis()
    axes.set_title(title, fontsize=9.5, loc="right", color=_INK)
    axes.set_facecolor(_GROUND)
    axes.tick_params(length=0, colors=_INK, labelsize=8)
    axes.xaxis.set_visible(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlim(0, max(values) * 1.16)
    for place, value in enumerate(values):
        axes.text(max(value, 0.0) + max(values) * 0.012, place, shown.format(value), va="center", fontsize=8)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.plot", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bench", type=Path, help="of make bench")
    parser.add_argument("stages", type=Path, help="of make bench-stages")
    parser.add_argument("--output", type=Path, default=PROJECT_DIR / "docs", metavar="DIR", help="default: docs")
    options = parser.parse_args()
    try:
        bench, stages = read_result(options.bench), read_result(options.stages)
    except UnreadableResult as error:
        print(error, file=sys.stderr)
        return 1
    if (bench["kind"], stages["kind"]) != ("bench", "stages") or bench["machine"]["cpu"] != stages["machine"]["cpu"]:
        print("the first must be of make bench, the second of make bench-stages, on one machine", file=sys.stderr)
        return 1
    targets = [options.output / f"benchmark.{kind}" for kind in ("png", "svg")]
    draw(speeds(figures_in(bench)), costs(figures_in(stages)), machine_line(bench), targets)
    print("\n".join(map(str, targets)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
