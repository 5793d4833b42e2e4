"""What a sampling profiler saw, as shares of stages. Pure: reads folded stacks, one a line, `frame;frame;… count`.

A frame is `function (path/of/file.py:line)`, the caller first. A stack belongs to the stage of its innermost frame that
any rule knows: code that is called by many (asyncio, typing, numpy) counts for whoever called it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

Rules = Sequence[tuple[str, str]]  # what a frame contains → its stage; the first that fits

OTHER: Final = "interpreter and event loop"
STORE, API, SCHEDULING = "store", "API", "scheduling"
SERVER_RULES: Final[Rules] = (
    ("stenod_server/store/", STORE),
    ("sqlalchemy/", STORE),
    ("stenod_server/rpc/", API),
    ("stenod_server/rest/", API),
    ("stenod_server/access/", API),
    ("stenod_server/engine/", "windows to Triton"),
    ("tritonclient/", "windows to Triton"),
    ("stenod_server/audio/", "windows from the audio workers"),
    ("stenod_server/recognition/", "stitching and formatting"),
    ("stenod_server/text/", "stitching and formatting"),
    ("stenod_server/scheduler/", SCHEDULING),
    ("stenod_server/domain/", SCHEDULING),
    ("stenod_server/telemetry/", "logs and metrics"),
    ("structlog/", "logs and metrics"),
    ("stenod_server/app/", "duties of the node"),
    ("grpc/", API),
)


def stage_of(stack: Sequence[str], rules: Rules) -> str:
    """`stack` is of frames, the caller first."""
    for frame in reversed(stack):
        for part, stage in rules:
            if part in frame:
                return stage
    return OTHER


def shares(folded: Iterable[str], rules: Rules) -> dict[str, float]:
    """The share of the samples by stage, the largest first; empty where there are none."""
    counts: dict[str, int] = {}
    for stack, count in _stacks(folded):
        stage = stage_of(stack, rules)
        counts[stage] = counts.get(stage, 0) + count
    total = sum(counts.values())
    return {stage: count / total for stage, count in sorted(counts.items(), key=lambda item: -item[1])}


def samples_in(folded: Iterable[str]) -> int:
    return sum(count for _stack, count in _stacks(folded))


def leaves(folded: Iterable[str], most: int) -> Mapping[str, float]:
    """The share of the samples by innermost frame, without its line: the functions that take most themselves."""
    counts: dict[str, int] = {}
    for stack, count in _stacks(folded):
        name = stack[-1].rpartition(":")[0] + ")" if ":" in stack[-1] else stack[-1]
        counts[name] = counts.get(name, 0) + count
    total = sum(counts.values())
    ranked = sorted(counts.items(), key=lambda item: -item[1])[:most]
    return {name: count / total for name, count in ranked}


def _stacks(folded: Iterable[str]) -> Iterable[tuple[list[str], int]]:
    for line in folded:
        stack, _space, count = line.strip().rpartition(" ")
        if stack and count.isdigit():
            yield stack.split(";"), int(count)
