"""Fuzzing the decoder: recordings mutated from seeds, through a pool of real worker processes."""

import asyncio
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

from stenod_server.audio.pool import AudioPoolSettings, AudioWorkerPool
from stenod_server.errors import InvalidRequest, StenodError
from stenod_server.ports import AudioSummary, WindowPlan
from tests.support.bombs import BOMBS
from tests.support.fuzz_seeds import CORPUS

HANG_S: Final = 60.0
_SMALL_BYTES: Final = 20_000  # of the bombs, those that are seeds too
_PLANS: Final = (
    WindowPlan(window_target_samples=160_000, window_max_samples=320_000),
    WindowPlan(window_target_samples=160_000, window_max_samples=320_000, per_channel=True),
    WindowPlan(window_target_samples=160_000, window_max_samples=320_000, start_s=0.1, end_s=0.2),
)
_LENGTHS: Final = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    2**63 - 1,
    2**64 - 1,
)


@dataclass(frozen=True, slots=True)
class Seed:
    """A file of the corpus, or a small bomb; `form` is its container."""

    form: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """`kind`: `transcript`, the reason of a refusal, or what must not be. `fault` is empty where all is well."""

    kind: str
    seconds: float
    fault: str = ""


def seeds() -> list[Seed]:
    files = [Seed(file.name.split("-")[1], file.read_bytes()) for file in sorted(CORPUS.iterdir())]
    built = ((bomb.name, bomb.build()) for bomb in BOMBS if bomb.name not in {"zip", "crumbs"})
    return files + [Seed(f"bomb {name}", data) for name, data in built if len(data) <= _SMALL_BYTES]


# --- mutations: bytes in, other bytes out ---------------------------------------------------------------------------


def _flip(rng: random.Random, data: bytearray, _other: bytes) -> bytearray:
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def _truncate(rng: random.Random, data: bytearray, _other: bytes) -> bytearray:
    return data[: rng.randrange(len(data)) + 1]


def _splice(rng: random.Random, data: bytearray, other: bytes) -> bytearray:
    return data[: rng.randrange(len(data)) + 1] + other[rng.randrange(len(other)) :]


def _length(rng: random.Random, data: bytearray, _other: bytes) -> bytearray:
    """Write a number at a place, mostly in the header: sizes, counts, rates."""
    form = rng.choice((">H", "<H", ">I", "<I", ">Q", "<Q", "B"))
    width = struct.calcsize(form)
    place = rng.randrange(min(len(data), rng.choice((64, 512, len(data)))))
    value = rng.choice((*_LENGTHS, rng.getrandbits(64))) & ((1 << 8 * width) - 1)
    data[place : place + width] = struct.pack(form, value)
    return data


def _duplicate(rng: random.Random, data: bytearray, _other: bytes) -> bytearray:
    first = rng.randrange(len(data))
    block = data[first : first + rng.choice((1, 16, 256, 4096))]
    return data[:first] + block * rng.choice((2, 2, 3, 50)) + data[first + len(block) :]


def _remove(rng: random.Random, data: bytearray, _other: bytes) -> bytearray:
    first = rng.randrange(len(data))
    return data[:first] + data[first + rng.choice((1, 2, 16, 256)) :]


def _overwrite(rng: random.Random, data: bytearray, _other: bytes) -> bytearray:
    first = rng.randrange(len(data))
    block = rng.randbytes(rng.choice((1, 4, 32, 512)))
    data[first : first + len(block)] = block
    return data


def _replace(rng: random.Random, data: bytearray, _other: bytes) -> bytearray:
    """Random bytes behind the beginning of a format."""
    return data[: rng.choice((0, 4, 12, 48))] + rng.randbytes(rng.randrange(4096))


_MUTATIONS: Final[Sequence[Callable[[random.Random, bytearray, bytes], bytearray]]] = (
    _flip, _flip, _truncate, _splice, _length, _length, _length, _duplicate, _remove, _overwrite, _replace,
)  # fmt: skip


def mutated(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """One to five mutations; at most a quarter of a megabyte."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 5))):
        if changed:
            changed = rng.choice(_MUTATIONS)(rng, changed, other)
    return bytes(changed[: 2**18])


def inputs(rng: random.Random, corpus: Sequence[Seed]) -> Iterator[Seed]:
    """Without end; the same for the same state of `rng`."""
    while True:
        one, other = rng.choice(corpus), rng.choice(corpus)
        yield Seed(one.form, mutated(rng, one.data, other.data))


# --- trying them ----------------------------------------------------------------------------------------------------


def open_pool(vad_path: Path, *, workers: int = 1, stall_timeout_s: float = 20.0) -> AudioWorkerPool:
    return AudioWorkerPool(
        AudioPoolSettings(
            vad_path=vad_path,
            max_workers=workers,
            min_idle_workers=workers,
            stall_timeout_s=stall_timeout_s,
            cpu_limit_s=20.0,
            memory_limit_bytes=1024**3,
        )
    )


async def attempt(pool: AudioWorkerPool, path: Path, data: bytes, *, hang_s: float = HANG_S) -> Outcome:
    """Let the pool read these bytes: windows and a summary, or a refusal that blames them. Anything else is a fault."""
    path.write_bytes(data)
    plan = _PLANS[sum(data) % len(_PLANS)]
    started_s = monotonic()
    try:
        async with asyncio.timeout(hang_s), pool.windows(path, plan) as items:
            *_, last = [item async for item in items]
        kind, fault = "transcript", "" if isinstance(last, AudioSummary) else f"ended with {last}"
    except TimeoutError:
        kind, fault = "HANG", f"nothing after {hang_s:g} s"
    except InvalidRequest as error:
        kind, fault = error.reason, _crash(error)
    except StenodError as error:
        kind, fault = error.reason, f"{type(error).__name__}: {error.message}"
        if "said nothing" in error.message:
            kind = "HANG"
    return Outcome(kind, monotonic() - started_s, fault)


def _crash(error: InvalidRequest) -> str:
    """Refused, so nobody suffers; still something to know of."""
    return f"crash: {error.message}" if "crashes over it" in error.message else ""
