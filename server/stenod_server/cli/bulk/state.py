"""Where a node that lives for one command keeps what it has done, so that its successor goes on there.

A directory holds the node's data itself. A bucket gets a copy of its database, now and then and in the end; the media
is fetched again.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from stenod_server.fetch.buckets import Bucket, open_bucket
from stenod_server.object_store.to_its_end import to_its_end
from stenod_server.store.snapshots import FILE_NAME, take_snapshot

_PIECE_BYTES: Final = 1024 * 1024


class RunState:
    """`data_dir` is the node's. Of the commands that share a place, each has a `name` of its own."""

    def __init__(self, data_dir: Path, place: Bucket | None, name: str) -> None:
        self.data_dir = data_dir
        self._place = place
        self._key = f"{name}.db"

    async def restore(self) -> bool:
        """Whether a predecessor has left something. Raises StoreUnavailable."""
        if self._place is not None and await self._place.beginning(self._key, 1) is not None:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with (self.data_dir / FILE_NAME).open("wb") as file:
                async for piece in self._place.read(self._key):
                    file.write(piece)
        return (self.data_dir / FILE_NAME).exists()

    async def save(self) -> None:
        """As it is now. Raises StoreUnavailable."""
        if self._place is None:
            return  # it stands where it is written
        copy = self.data_dir / "snapshot.db"
        await asyncio.to_thread(take_snapshot, self.data_dir, copy)
        await self._place.put(self._key, _pieces(copy))

    async def clear(self) -> None:
        """Nobody is to go on. Raises StoreUnavailable."""
        if self._place is not None:
            await self._place.delete(self._key)
        await asyncio.to_thread(shutil.rmtree, self.data_dir, ignore_errors=True)


@asynccontextmanager
async def open_state(text: str | None, name: str) -> AsyncIterator[RunState]:
    """A path, an address, or nowhere: then nothing outlives the command. Raises InvalidField."""
    if text is not None and "://" not in text:
        yield RunState(_directory(text) / name, None, name)
        return
    place = open_bucket(text, "--state", create=True) if text else None
    with tempfile.TemporaryDirectory(prefix="stenod-") as directory:
        yield RunState(Path(directory) / name, place, name)


def _directory(text: str) -> Path:
    return Path(text).expanduser().resolve()


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with ExitStack() as stack:
        file = await to_its_end(asyncio.to_thread(lambda: stack.enter_context(path.open("rb"))))
        while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
            yield piece
