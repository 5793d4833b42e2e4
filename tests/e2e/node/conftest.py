import asyncio
import hashlib
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.speech import PROJECT_ROOT

BIN = PROJECT_ROOT / ".venv" / "bin"
SOURCE = PROJECT_ROOT / "clients" / "node"
Node = Callable[..., Awaitable[tuple[int, str, str]]]


async def run(*command: str | Path, cwd: Path, **environment: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=cwd,
        env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"} | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.fixture(scope="session")
async def node_client() -> Path:
    """The client with its packages, installed once for each lock. Without a registry: skipped at home, not in CI."""
    lock = (SOURCE / "package-lock.json").read_bytes()
    installed = PROJECT_ROOT / ".cache" / "node" / hashlib.sha256(lock).hexdigest()[:12]
    if not (installed / "node_modules").is_dir():
        shutil.rmtree(installed, ignore_errors=True)
        scratch = installed.with_name(f"{installed.name}.{os.getpid()}")
        scratch.mkdir(parents=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(SOURCE / name, scratch)
        status, _, err = await run(BIN / "npm", "ci", cwd=scratch)
        if status:
            shutil.rmtree(scratch)
            message = f"npm ci failed:\n{err}"
            raise AssertionError(message) if os.environ.get("CI") else pytest.skip.Exception(message)
        scratch.rename(installed)
    for name in ("package.json", "stenod.js", "stenod.binpb", "service_config.json", "transcribe.js"):
        shutil.copy(SOURCE / name, installed)
    return installed


@pytest.fixture
def transcribe_js(node_client: Path) -> Node:
    """Runs the example on a recording."""

    async def transcribe(server: str, recording: Path) -> tuple[int, str, str]:
        return await run(BIN / "node", "transcribe.js", recording, cwd=node_client, STENOD_SERVER=server)

    return transcribe
