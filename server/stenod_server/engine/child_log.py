"""Triton's own log, as structured events. Pure.

Triton logs no tensors, so no transcripts; a stub prints what its model prints, and ours print none.
"""

import re
from typing import Final

MAX_LINE_CHARACTERS: Final = 2000

_LINE: Final = re.compile(r"([IWEF])\d{4} \S+ \d+ (\S+?:\d+)\] ?(.*)", re.DOTALL)
_LEVELS: Final = {"I": "debug", "W": "warning", "E": "error", "F": "error"}
# Said at every start without a GPU, of every entry with a file beside its versions, and at every stop: true, no news.
_NO_NEWS: Final = re.compile(
    r"CUDA memory pool|CudaDriver|NVML|pinned system memory|ignore version directory|Signal \(15\) received",
    re.IGNORECASE,
)
# What pybind11 adds below an error of Python's: a dozen lines, among which the error itself would be lost.
_STACK: Final = re.compile(r"At:|.+\(\d+\): \S+|;")


def parse_line(line: str) -> tuple[str, str] | None:
    """(level, message) of a line; None for blank ones and the frames of Triton's tables."""
    text = line.strip()
    found = _LINE.fullmatch(text)
    if found is not None:
        severity, _place, said = found.groups()
        level, message = _LEVELS[severity], said.strip('"')
    elif text.startswith(("+", "|")):
        return None
    else:  # no head: something that a stub or a library printed
        level, message = "debug" if _STACK.fullmatch(text) else "warning", text
    if not message:
        return None
    return ("debug" if _NO_NEWS.search(message) else level), message


class LineSplitter:
    """Cuts a stream of bytes into lines, however long they are; what is beyond the limit is dropped."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[str]:
        """The lines that ended in this chunk."""
        *lines, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[:MAX_LINE_CHARACTERS]
        return [line[:MAX_LINE_CHARACTERS].decode(errors="replace") for line in lines]
