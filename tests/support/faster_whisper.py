"""faster-whisper beside the tests: in a process and an environment of its own (requirements/peers.lock)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.peers_venv import peers_python
from tests.support.speech import PROJECT_ROOT


@dataclass(frozen=True, slots=True)
class PeerText:
    """`language` is the one that was asked for, or what it found out."""

    text: str
    language: str


@dataclass(frozen=True, slots=True)
class FasterWhisper:
    """One question at a time."""

    process: asyncio.subprocess.Process

    async def hear(self, path: Path, language: str | None = None) -> PeerText:
        """See faster_whisper_peer.py."""
        assert self.process.stdin
        assert self.process.stdout
        question = {"path": str(path), "language": language}
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        line = await self.process.stdout.readline()
        assert line, "faster-whisper is gone; what it said of it is above"
        return PeerText(**json.loads(line))


@asynccontextmanager
async def faster_whisper(model_dir: Path) -> AsyncIterator[FasterWhisper]:
    """Of a CTranslate2 directory, in 32 bits."""
    python = await asyncio.to_thread(peers_python)
    process = await asyncio.create_subprocess_exec(
        python,
        "-m",
        "tests.support.faster_whisper_peer",
        str(model_dir),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=PROJECT_ROOT,
    )
    try:
        yield FasterWhisper(process)
    finally:
        process.kill()
        await process.wait()
