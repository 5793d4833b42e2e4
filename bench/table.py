"""Results as text."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Final

from bench.protocol import FILES_AT_ONCE
from bench.results import Budget, Row, percentile

_HEADINGS: Final = (
    "system",
    "x real time",
    "(min-max)",
    "stenod is",
    "WER %",
    "CPU s per audio h",
    "peak RSS MB (summed)",
    "load s",
)


def speed_table(rows: Sequence[Row]) -> str:
    return aligned(
        [
            _HEADINGS,
            *(
                (
                    row.label,
                    f"{row.speed:.1f}",
                    f"({row.slowest:.0f}-{row.fastest:.0f})",
                    "-" if row.service_ratio is None else f"{row.service_ratio:.2f}x",
                    f"{100 * row.wer_ratio:.2f}",
                    f"{row.cpu_s_per_audio_hour:.1f}",
                    f"{row.peak_rss_bytes / 1e6:.0f}",
                    f"{row.load_s:.1f}",
                )
                for row in rows
            ),
        ]
    )


def efficiency_table(measured: Sequence[tuple[str, float, float]]) -> str:
    if not measured:
        return ""
    heading = ("service vs bare loop", "speed ratio", "CPU ratio")
    return aligned([heading, *((label, f"{speed:.2f}", f"{cpu:.2f}") for label, speed, cpu in measured)])


_SHOWN_AS_S: Final = {"cold_start_s": "cold start of the service, process start to READY"}
_SHOWN_AS_MS: Final = {
    "single_latency_s": "a 10 s clip, warm: submit to transcript",
    "single_recognition_s": "its bare recognition",
    "submit_latency_s": "SubmitJob while 200 jobs are in flight",
    "submit_latency_idle_s": "  with --worker-priority idle, for a machine of its own",
    "server_cpu_s_per_job": f"CPU of a job, {FILES_AT_ONCE} at once: the server",
    "audio_cpu_s_per_job": "  decoding and cutting",
    "triton_cpu_s_per_job": "  Triton and its recognisers",
}


def figure_table(values: Mapping[str, Sequence[float]]) -> str:
    """Median and spread of what is not a throughput."""
    lines = []
    for name, label in (_SHOWN_AS_S | _SHOWN_AS_MS).items():
        if found := values.get(name):
            scale, unit = (1, "s") if name in _SHOWN_AS_S else (1000, "ms")
            measured = [statistics.median(found), min(found), max(found)]
            median, low, high = (f"{value * scale:.1f}" for value in measured)
            p99 = f"p99 {percentile(found, 99) * scale:.1f}" if len(found) >= 100 else ""
            lines.append((label, f"{median} {unit}", f"({low}-{high})", p99))
    return aligned(lines)


def budget_table(budgets: Sequence[Budget]) -> str:
    return aligned(
        [
            (
                budget.name,
                f"{budget.measured:.2f} {budget.unit}",
                f"{'at most' if budget.is_ceiling else 'at least'} {budget.limit:.2f}",
                "met" if budget.is_met else "NOT MET",
            )
            for budget in budgets
        ]
    )


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the others to the right."""
    if not lines:
        return ""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines
    )
