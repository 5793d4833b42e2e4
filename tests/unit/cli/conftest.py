import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from tests.unit.client.scripted import Script, scripted_server

COMMAND = (sys.executable, "-m", "stenod_server")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


Stenod = Callable[..., Awaitable[Ended]]


async def run_stenod(*arguments: str, stdin: bytes = b"", **environment: str) -> Ended:
    """Run the command as a user does, as a process of its own."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("STENOD_")}
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean | {"COLUMNS": "200"} | environment,
    )
    out, err = await process.communicate(stdin)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
async def address(script: Script) -> AsyncIterator[str]:
    async with scripted_server(script) as server_address:
        yield server_address


@pytest.fixture
def stenod(address: str) -> Stenod:
    """The command with the scripted server as its server."""

    async def run(*arguments: str, stdin: bytes = b"") -> Ended:
        return await run_stenod(*arguments, stdin=stdin, STENOD_SERVER=address)

    return run
