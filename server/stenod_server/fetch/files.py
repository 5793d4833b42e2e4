"""Files of this machine: file:// below the directories that the operator opens (`fetch_file_roots`)."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import unquote

from stenod_server.domain.job import RemoteMedia
from stenod_server.domain.uri import shown
from stenod_server.errors import FetchRefused, InvalidField, MediaNotFound
from stenod_server.fetch import uri_rules
from stenod_server.fetch.faults import translated
from stenod_server.fetch.file_name import file_name
from stenod_server.fetch.options import FetchOptions
from stenod_server.object_store.to_its_end import to_its_end
from stenod_server.ports import FetchedMedia

CHUNK_BYTES: Final = 1024 * 1024
_SETTING: Final = "fetch_file_roots"


class FileSource:
    """Implements `source.Source`. Symlinks are followed as long as they end below a root."""

    def __init__(self, options: FetchOptions) -> None:
        self._real_roots = tuple(root.expanduser().resolve() for root in options.file_roots)
        named = (root.expanduser().absolute() for root in options.file_roots)
        self._roots = (*self._real_roots, *named)

    def check(self, remote: RemoteMedia) -> None:
        self._path(remote)

    @asynccontextmanager
    async def open(self, remote: RemoteMedia) -> AsyncIterator[FetchedMedia]:
        path, address = self._path(remote), shown(remote.uri)
        with ExitStack() as stack:
            with translated(address):  # whoever is cancelled meanwhile leaves nothing open
                file = await to_its_end(asyncio.to_thread(lambda: stack.enter_context(self._open(path, address))))
            yield FetchedMedia(
                _read(file, address), size_bytes=os.fstat(file.fileno()).st_size, file_name=file_name("", path.name)
            )

    async def close(self) -> None:
        """Nothing is held open."""

    def _path(self, remote: RemoteMedia) -> Path:
        """Raises FetchRefused for what lies below no root by its name; the disk is not touched."""
        if remote.headers:
            raise InvalidField("media.headers", "go with http(s) addresses only")
        _, host, quoted = uri_rules.parts(remote.uri)
        if host.lower() not in {"", "localhost"}:
            raise InvalidField("media.uri", "file:// addresses have no host: file:///path")
        name = unquote(quoted)
        uri_rules.check(name)
        path = Path("/", *uri_rules.names(name))
        if not any(path.is_relative_to(root) for root in self._roots):
            raise FetchRefused("media.uri", "this file is in no directory that may be read", setting=_SETTING)
        return path

    def _open(self, path: Path, address: str) -> BinaryIO:
        """Blocking. What was opened is judged, not what the name meant a moment ago; and as a handle (O_PATH) first,
        because to open a fifo or a device is to act on it already.
        """
        with _handle(path) as handle:
            opened = f"/proc/self/fd/{handle}"
            if not any(Path(os.readlink(opened)).is_relative_to(root) for root in self._real_roots):  # noqa: PTH115
                raise FetchRefused("media.uri", "this file leads out of what may be read", setting=_SETTING)
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise MediaNotFound(f"{address} is not a file")
            return open(opened, "rb", buffering=0)  # noqa: PTH123  the very file that was judged


@contextmanager
def _handle(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


async def _read(file: BinaryIO, address: str) -> AsyncIterator[bytes]:
    with translated(address):
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
