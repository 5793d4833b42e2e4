"""Disks that fail: one that is full, and files that cannot be written any more although they are open."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

CHUNK: Final = bytes(1024 * 1024)


class NotPermitted(Exception):
    """This machine or this user cannot do that: the test that needs it is skipped, with the reason."""


@contextmanager
def small_disk(directory: Path, size_bytes: int) -> Iterator[Path]:
    """A file system of its own, in memory. Raises NotPermitted."""
    directory.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=700", "tmpfs", str(directory)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        message = f"no tmpfs can be mounted: {getattr(error, 'stderr', b'').decode() or error}"
        raise NotPermitted(message) from error
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


@asynccontextmanager
async def full(disk: Path) -> AsyncIterator[None]:
    """Not a byte is free while the context is open, whatever is deleted meanwhile."""
    ballast = disk / "ballast"
    filling = asyncio.create_task(_fill(ballast))
    try:
        yield
    finally:
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)
        ballast.unlink(missing_ok=True)


async def _fill(ballast: Path) -> None:
    file = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        while True:
            for size in (len(CHUNK), 4096, 1):
                try:
                    while os.write(file, CHUNK[:size]) == size:
                        pass
                except OSError:
                    continue
            await asyncio.sleep(0.01)
    finally:
        os.close(file)


@contextmanager
def immutable(paths: Sequence[Path]) -> Iterator[None]:
    """Writes to these files fail, also through handles that are open. Raises NotPermitted."""
    chattr = shutil.which("chattr")
    if chattr is None:
        raise NotPermitted("there is no chattr")
    names = [str(path) for path in paths]
    try:
        subprocess.run([chattr, "+i", *names], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        raise NotPermitted(f"chattr +i failed: {error.stderr.decode()}") from error
    try:
        yield
    finally:
        subprocess.run([chattr, "-i", *names], check=True)
