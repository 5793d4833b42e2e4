"""What a recording that names another file or address makes the server open: nothing, which a listener shows."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import av
import av.error

from stenod_server.audio.pool import AudioWorkerPool
from stenod_server.domain.audio import to_seconds
from stenod_server.errors import NoAudio, UnsupportedMedia
from stenod_server.ports import AudioSummary, WindowPlan
from tests.support.bombs import playlists
from tests.support.waves import talk, write_wav

SECRET_S = 2.0  # longer than what any of the forms holds itself
PLAN = WindowPlan(window_target_samples=240_000, window_max_samples=480_000)


@dataclass(slots=True)
class Listener:
    """Serves a recording to whoever connects, and counts them."""

    recording: bytes
    port: int = 0
    reached: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reached += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(self.recording)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + self.recording)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def listening(recording: bytes) -> AsyncIterator[Listener]:
    listener = Listener(recording)
    async with await asyncio.start_server(listener.serve, "127.0.0.1", 0) as server:
        listener.port = server.sockets[0].getsockname()[1]
        yield listener


@dataclass(frozen=True, slots=True)
class Followed:
    """A form that was tried. `said`: what the pool answered; `is_followed`: the recording it names was read."""

    form: str
    target: str
    said: str
    is_followed: bool
    reached: int


async def try_playlists(pool: AudioWorkerPool, directory: Path) -> tuple[list[Followed], int]:
    """Every form, naming the listener and naming a file beside it; and how many arrive with nothing closed."""
    secret = write_wav(directory / "secret.wav", talk(SECRET_S))
    tried: list[Followed] = []
    arrived = 0
    async with listening(secret.read_bytes()) as listener:
        address = f"http://127.0.0.1:{listener.port}/secret.wav"
        for target in (address, secret.name, f"file:{secret}", str(secret)):
            for form, content in playlists(target).items():
                path = directory / "list.mp3"
                path.write_bytes(content)
                before = listener.reached
                said, is_followed = await _answer(pool, path)
                tried.append(Followed(form, target, said, is_followed, listener.reached - before))
        for content in playlists(address).values():
            path.write_bytes(content)
            before = listener.reached
            await asyncio.to_thread(_open_without_a_guard, path)
            arrived += listener.reached > before
    return tried, arrived


async def _answer(pool: AudioWorkerPool, path: Path) -> tuple[str, bool]:
    try:
        async with pool.windows(path, PLAN) as items:
            *_, summary = [item async for item in items]
    except (UnsupportedMedia, NoAudio) as error:
        return error.message, False
    assert isinstance(summary, AudioSummary)
    return f"its own {to_seconds(summary.duration_samples):.2f} s", to_seconds(summary.duration_samples) >= SECRET_S


def _open_without_a_guard(path: Path) -> None:
    with contextlib.suppress(av.error.FFmpegError, ValueError, IndexError):
        options = {"protocol_whitelist": "file,http,tcp", "extension_picky": "0", "enable_drefs": "1", "safe": "0"}
        with av.open(str(path), options=options) as container:
            for _ in container.decode(audio=0):
                break
