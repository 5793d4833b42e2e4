"""What the transcript of a recording is called."""

import re
from pathlib import PurePath, PurePosixPath
from typing import Final

STANDARD_INPUT: Final = "-"


def output_stem(file: str) -> str:
    """The name without directory and ending; of an address also without query, so that no signature names a file."""
    if file == STANDARD_INPUT:
        return "stdin"
    _, is_address, place = file.partition("://")
    if not is_address:
        return PurePath(file).stem
    path = re.split(r"[?#]", place, maxsplit=1)[0].partition("/")[2]
    return PurePosixPath(path).stem or "media"
