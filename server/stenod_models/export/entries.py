"""An entry of a models directory as files: its record, its revision, and its change as a whole."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

RECORD: Final = "entry.json"
_BLOCK_BYTES: Final = 1024 * 1024


def record_of(entry: Path) -> dict[str, Any] | None:
    """What it says of how it was built; None of one that was made by hand."""
    try:
        record = json.loads((entry / RECORD).read_text())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def write_record(entry: Path, record: Mapping[str, Any]) -> None:
    (entry / RECORD).write_text(json.dumps(record, indent=1) + "\n")


def revision_of(entry: Path) -> str:
    """SHA-256 of all that Triton runs: what is in the version directories, by name and content."""
    digest = hashlib.sha256()
    for path in sorted(entry.glob("[0-9]*/**/*")):
        if path.is_file():
            digest.update(f"{path.relative_to(entry).as_posix()}\0{path.stat().st_size}\0".encode())
            with path.open("rb") as opened:
                while block := opened.read(_BLOCK_BYTES):
                    digest.update(block)
    return digest.hexdigest()


def put_in_place(scratch: Path, target: Path) -> None:
    """Rename, within one directory; an older entry is moved aside first."""
    scratch.chmod(0o755)  # mkdtemp's 0700 would lock out a server that runs as somebody else
    if target.exists():
        aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.old."))
        os.replace(target, aside / "entry")  # noqa: PTH105 - atomic on one file system
        shutil.rmtree(aside, ignore_errors=True)
    os.replace(scratch, target)  # noqa: PTH105
