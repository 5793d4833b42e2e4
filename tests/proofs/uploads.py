"""Proof: a recording of gigabytes passes through every way in without ever being in the server's memory.

    python -m tests.proofs.uploads [--mib 1536]

Speech as 96 kHz, 24 bit, six channels, uploaded through gRPC and each dialect that uploads, and fetched by address
through the others, one after the other. The server's resident memory is sampled all the while. Exit status 1 when it
grows by more than 160 MiB, when a way gives another text than the others, or when the guide's dialect does not refuse
what is larger than its 100 MB in its own words.
"""

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import imageio_ffmpeg
import psutil
from whisper_normalizer.english import EnglishTextNormalizer

import stenod
from tests.support.dialects import Dialects, Way, web_client
from tests.support.file_server import serving_files
from tests.support.models import build_models
from tests.support.server import serving
from tests.support.speech import recordings

MIB: Final = 1024 * 1024
CHANNELS: Final = 6
BYTES_PER_S: Final = 96_000 * 3 * CHANNELS
ALLOWED_MIB: Final = 160
REFUSED: Final = "413 File exceeds 100MB limit"
SAMPLE_S: Final = 0.05
_NORMALISED: Final = EnglishTextNormalizer()
OPTIONS: Final = ("--fetch-allow=127.0.0.0/8", "--speechmatics-admission=queue", "--assemblyai-admission=queue")


@dataclass(frozen=True, slots=True)
class Passage:
    """One recording through one way: resident bytes of the server before it, and at most while it lasted."""

    way: str
    text: str
    before: int
    peak: int

    @property
    def growth_mib(self) -> float:
        return (self.peak - self.before) / MIB


def large_recording(target: Path, size_mib: int) -> Path:
    """English speech, over and over, as a studio would keep it."""
    [source] = recordings("long")
    seconds = size_mib * MIB / BYTES_PER_S
    shape = ["-ar", "96000", "-ac", str(CHANNELS), "-c:a", "pcm_s24le", "-t", f"{seconds:.3f}"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-stream_loop", "-1", "-i", str(source.path)]
    subprocess.run([*command, *shape, "-y", str(target)], check=True)
    return target


async def passages(directory: Path, models_dir: Path, size_mib: int) -> list[Passage]:
    media_dir = directory / "media"
    media_dir.mkdir()
    source = large_recording(media_dir / "large.wav", size_mib)
    async with AsyncExitStack() as stack:
        origin = stack.enter_context(serving_files(media_dir))
        server = await stack.enter_async_context(serving(directory / "node", *OPTIONS, models_dir=models_dir))
        grpc = await stack.enter_async_context(stenod.Client(server.address))
        web = await stack.enter_async_context(web_client(server))
        dialects = Dialects(grpc, web, lambda path: f"{origin}/{path.name}")
        process = psutil.Process(server.process.pid)
        found = [await _pass(f"{name}, upload", way, source, process) for name, way in dialects.uploading().items()]
        found += [await _pass(f"{name}, address", way, source, process) for name, way in dialects.fetching().items()]
    return found


async def _pass(name: str, way: Way, source: Path, process: psutil.Process) -> Passage:
    before = peak = process.memory_info().rss
    passing = asyncio.ensure_future(way(source))
    while not passing.done():
        peak = max(peak, process.memory_info().rss)
        await asyncio.wait({passing}, timeout=SAMPLE_S)
    return Passage(name, " ".join(passing.result().split()), before, peak)


def problems(found: Sequence[Passage], *, is_too_large_for_the_guide: bool) -> list[str]:
    """What is not as it should be."""
    said = [f"{one.way}: grew by {one.growth_mib:.0f} MiB" for one in found if one.growth_mib > ALLOWED_MIB]
    heard = {_same(one.text) for one in found if not (is_too_large_for_the_guide and one.way.startswith("guide"))}
    if len(heard) != 1 or len(heard.pop().split()) < 10:
        said.append("the ways do not give the same text")
    if is_too_large_for_the_guide and [one.text for one in found if one.way.startswith("guide")] != [REFUSED]:
        said.append("the guide's dialect does not refuse in its words")
    return said


def _same(text: str) -> str:
    """Some write numbers as figures, as their clients expect; numbers said in a row are one to the normaliser."""
    return re.sub(r"(?<=\d) (?=\d)", "", _NORMALISED(text))


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1536)
    size_mib = parser.parse_args().mib
    with tempfile.TemporaryDirectory() as name:
        found = await passages(Path(name), build_models(), size_mib)
    print(f"{size_mib} MiB, {size_mib * MIB / BYTES_PER_S / 60:.1f} min of {CHANNELS} channels at 96 kHz and 24 bit\n")
    print(f"{'way':<24} {'before MiB':>10} {'peak MiB':>9} {'growth':>7}  words")
    for one in found:
        words = one.text if one.text == REFUSED else str(len(one.text.split()))
        print(f"{one.way:<24} {one.before / MIB:10.1f} {one.peak / MIB:9.1f} {one.growth_mib:7.1f}  {words}")
    said = problems(found, is_too_large_for_the_guide=size_mib * MIB > 100 * MIB)
    for problem in said:
        print(f"FAIL  {problem}")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
