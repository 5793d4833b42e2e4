"""The peers' own environment, made from requirements/peers.lock at the first run."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.recordings import CACHE_DIR, PROJECT_DIR

LOCK: Final = PROJECT_DIR / "requirements" / "peers.lock"
VENV: Final = CACHE_DIR / "peers-venv"


def peers_python() -> Path:
    """The interpreter of the environment; made anew when the lock has changed. Raises CalledProcessError."""
    python, stamp = VENV / "bin" / "python", VENV / "lock.sha256"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if python.is_file() and stamp.is_file() and stamp.read_text() == wanted:
        return python
    uv = Path(sys.executable).with_name("uv")
    links = [argument for link in os.environ.get("PIP_FIND_LINKS", "").split() for argument in ("--find-links", link)]
    install: list[str | Path] = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        "--require-hashes",
        *links,
        "-r",
        LOCK,
    ]
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, VENV], check=True)
    subprocess.run(install, check=True)
    stamp.write_text(wanted)
    return python
