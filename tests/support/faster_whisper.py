"""faster-whisper beside the tests: in a process and an environment of its own (requirements/peers.lock).

    python -m tests.support.faster_whisper RECORDING…

prints as JSON what it hears in recordings of the speech set that are one window each, told their language.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.peers_venv import peers_python
from tests.support.models import read_audio
from tests.support.speech import PROJECT_ROOT, recordings
from tests.support.whisper_weights import fetch_whisper_base


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
    """Of a CTranslate2 directory, in 32 bits on one thread: more of them would wait for one another by spinning."""
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


async def _main(chosen: set[str]) -> None:
    texts = {}
    with tempfile.TemporaryDirectory() as name:
        window = Path(name) / "window.npy"
        async with faster_whisper(fetch_whisper_base()) as peer:
            for recording in recordings():
                if recording.id in chosen:
                    np.save(window, read_audio(recording.path))
                    texts[recording.id] = (await peer.hear(window, recording.fields["language"])).text
    print(json.dumps(texts, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    asyncio.run(_main(set(sys.argv[1:])))
