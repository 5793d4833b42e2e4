"""The seeds of the decoder's fuzzing: one small file of every container and codec that can be written here.

    python -m tests.support.fuzz_seeds

writes them into tests/fuzz/corpus, beside the inputs that once found something.
"""

import sys
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.audio.stream import AudioStream

from tests.support.waves import talk

CORPUS: Final = Path(__file__).parents[1] / "fuzz" / "corpus"
_SECONDS: Final = 0.3
# Container, codec, rate, channels.
KINDS: Final = (
    ("wav", "pcm_s16le", 16_000, 1),
    ("wav", "pcm_f32le", 8_000, 1),
    ("wav", "pcm_mulaw", 8_000, 2),
    ("wav", "adpcm_ima_wav", 8_000, 1),
    ("wav", "adpcm_ms", 8_000, 2),
    ("aiff", "pcm_s16be", 8_000, 1),
    ("au", "pcm_alaw", 8_000, 1),
    ("caf", "pcm_s16be", 8_000, 1),
    ("voc", "pcm_u8", 8_000, 1),
    ("w64", "pcm_s16le", 8_000, 1),
    ("flac", "flac", 16_000, 1),
    ("ogg", "libopus", 48_000, 1),
    ("mp3", "libmp3lame", 16_000, 1),
    ("mp2", "mp2", 16_000, 1),
    ("adts", "aac", 16_000, 1),
    ("ipod", "aac", 16_000, 2),
    ("ipod", "alac", 16_000, 1),
    ("mov", "pcm_s16be", 8_000, 1),
    ("mp4", "ac3", 32_000, 1),
    ("mp4", "libopus", 48_000, 1),
    ("matroska", "libopus", 48_000, 2),
    ("matroska", "pcm_s16le", 8_000, 1),
    ("webm", "libopus", 48_000, 1),
    ("mpegts", "aac", 16_000, 1),
    ("mpegts", "ac3", 32_000, 1),
    ("mpeg", "mp2", 32_000, 1),
    ("ac3", "ac3", 32_000, 1),
    ("eac3", "eac3", 32_000, 1),
    ("flv", "libmp3lame", 11_025, 1),
    ("flv", "nellymoser", 8_000, 1),
    ("avi", "pcm_s16le", 8_000, 1),
    ("tta", "tta", 16_000, 1),
    ("wv", "wavpack", 16_000, 1),
    ("nut", "pcm_s16le", 8_000, 1),
    ("rm", "ac3", 32_000, 1),
    ("sox", "pcm_s32le", 8_000, 1),
    ("amr", "libopencore_amrnb", 8_000, 1),
)


def write_seed(path: Path, container: str, codec: str, rate_hz: int, channels: int) -> None:
    samples = talk(_SECONDS * rate_hz / 16_000)
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate_hz)
        assert isinstance(stream, AudioStream)
        stream.layout = "mono" if channels == 1 else "stereo"
        frame = av.AudioFrame.from_ndarray(
            np.repeat(samples, channels)[np.newaxis], format="s16", layout=stream.layout.name
        )
        frame.sample_rate = rate_hz
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def main() -> int:
    CORPUS.mkdir(parents=True, exist_ok=True)
    for container, codec, rate_hz, channels in KINDS:
        path = CORPUS / f"seed-{container}-{codec}-{channels}"
        write_seed(path, container, codec, rate_hz, channels)
    files = list(CORPUS.iterdir())
    print(f"{len(files)} files, {sum(file.stat().st_size for file in files)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
