"""Programs for Node with packages of the registry, installed once for each lock."""

import asyncio
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from tests.support.speech import PROJECT_ROOT

BIN = PROJECT_ROOT / ".venv" / "bin"
INSTALLED = PROJECT_ROOT / ".cache" / "node"
_PACKAGE_FILES = ("package.json", "package-lock.json", ".npmrc")


async def run(*command: str | Path, cwd: Path, **environment: str) -> tuple[int, str, str]:
    """Status, output, errors of a command that finds Node on its path."""
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


async def run_script(directory: Path, script: str, *arguments: str | Path, **environment: str) -> tuple[int, str, str]:
    return await run(BIN / "node", script, *arguments, cwd=directory, **environment)


async def installed_packages(source: Path, *files: str) -> Path:
    """A directory with the packages of `source`'s lock, and its `files`. Without a registry the test that asks is
    skipped at home, and fails in CI.
    """
    lock = (source / "package-lock.json").read_bytes()
    installed = INSTALLED / hashlib.sha256(lock).hexdigest()[:12]
    if not (installed / "node_modules").is_dir():
        await _install(source, installed)
    for name in ("package.json", *files):
        shutil.copy(source / name, installed)
    return installed


async def _install(source: Path, installed: Path) -> None:
    shutil.rmtree(installed, ignore_errors=True)
    scratch = installed.with_name(f"{installed.name}.{os.getpid()}")
    scratch.mkdir(parents=True)
    for name in _PACKAGE_FILES:
        shutil.copy(source / name, scratch)
    status, _, err = await run(BIN / "npm", "ci", cwd=scratch)
    if status:
        shutil.rmtree(scratch)
        message = f"npm ci failed:\n{err}"
        raise AssertionError(message) if os.environ.get("CI") else pytest.skip.Exception(message)
    scratch.rename(installed)
