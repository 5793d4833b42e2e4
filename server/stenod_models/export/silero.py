"""Fetches Silero VAD. It runs inside the server process, so it is a file and not a Triton entry."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from stenod_models.export.wheels import PinnedWheel, fetch_files

NAME: Final = "silero-vad"

_FRAMES: Final = "silero_vad/data/silero_vad_16k_op15.onnx"
_SEQUENCE: Final = "silero_vad/data/silero_vad_16k_sequence.onnx"
_LICENCE: Final = "silero_vad-6.2.3.dist-info/licenses/LICENSE"

WHEEL: Final = PinnedWheel(
    requirement="silero-vad==6.2.3",
    files={
        _FRAMES: "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49",
        _SEQUENCE: "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
        _LICENCE: "2e63e9a38b6e8fc0c7bc37ce174caca1862870856c6daf5697cfb785e925520b",
    },
)


def build(target: Path, *, cache_dir: Path | None, report: Callable[[str, float], None]) -> None:
    """Fill the empty directory `target` with the 16 kHz graphs. Raises ModelBuildError.

    `silero_vad.onnx`: input [batch, 64 + 512], state [2, batch, 128], sr; one frame of many streams a call.
    `silero_vad_sequence.onnx`: input [frames, 64 + 512], h, c [1, 1, 128]; many frames of one stream a call. Both give
    the same probabilities; one stream runs 1.7 times as fast through the second.
    """
    version = target / "1"
    version.mkdir()
    files = fetch_files(WHEEL, version, cache_dir=cache_dir, report=lambda done: report("downloading", done))
    files[_FRAMES].rename(version / "silero_vad.onnx")
    files[_SEQUENCE].rename(version / "silero_vad_sequence.onnx")
    shutil.move(files[_LICENCE], target / "LICENCE")
