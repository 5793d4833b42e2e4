"""The peers' own environments, each made from a lock of requirements/ at the first run."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.recordings import CACHE_DIR, PROJECT_DIR

PEERS: Final = "peers"
SPEAKER_PEERS: Final = "speaker-peers"


def peers_python(name: str = PEERS) -> Path:
    """The interpreter of an environment; made anew when its lock has changed. Raises CalledProcessError."""
    lock, venv = PROJECT_DIR / "requirements" / f"{name}.lock", CACHE_DIR / f"{name}-venv"
    python, stamp = venv / "bin" / "python", venv / "lock.sha256"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if python.is_file() and stamp.is_file() and stamp.read_text() == wanted:
        return python
    uv = PROJECT_DIR / "scripts" / "uv"  # knows where torch is
    install: list[str | Path] = [uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", lock]
    subprocess.run(
        [Path(sys.executable).with_name("uv"), "venv", "--quiet", "--clear", "--python", sys.executable, venv],
        check=True,
    )
    subprocess.run(install, check=True)
    stamp.write_text(wanted)
    return python
