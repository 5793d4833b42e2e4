"""The real default model, built once per checkout: import `built_models_dir` into a test module or a conftest."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from stenod_models.contract import SAMPLE_RATE_HZ
from stenod_models.export.catalogue import CATALOGUE, add
from stenod_models.export.pbtxt import profile_of
from stenod_models.families.moonshine.runtime import MoonshineRecogniser
from tests.support.speech import PROJECT_ROOT

DEFAULT_MODEL = "moonshine-tiny-en"
VAD_MODEL = "silero-vad"
VOICES_MODEL = "voices"


def models_dir_for_tests() -> Path:
    """`STENOD_TEST_MODELS`, or `.cache/models` in the checkout."""
    return Path(os.environ.get("STENOD_TEST_MODELS", PROJECT_ROOT / ".cache" / "models"))


@contextmanager
def one_at_a_time(directory: Path) -> Iterator[None]:
    """The other processes of a run wait, and find what the first one has made in the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build_models(*names: str) -> Path:
    """These models of the catalogue, or every one that needs no hub; at once where they are current."""
    models_dir = models_dir_for_tests()
    with one_at_a_time(models_dir.parent):
        for name in names or [name for name, entry in CATALOGUE.items() if not entry.hub]:
            add(name, models_dir, progress=lambda _phase, _done: None, cache_dir=models_dir.parent / "wheels")
    return models_dir


@pytest.fixture(scope="session")
def built_models_dir() -> Path:
    """A models directory with all of the catalogue that needs no hub; treat it as read-only."""
    return build_models()


def read_audio(path: Path) -> npt.NDArray[np.int16]:
    """Any recording as mono 16 kHz, without the server's own decoder."""
    resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE_HZ)
    with av.open(str(path)) as container:
        frames = [*container.decode(audio=0), None]
        blocks = [block.to_ndarray()[0] for frame in frames for block in resampler.resample(frame)]
    audio: npt.NDArray[np.int16] = np.concatenate(blocks).astype(np.int16)
    return audio


def load_default_model(models_dir: Path, *, padding_frames: int = 0) -> MoonshineRecogniser:
    """The default model in this process, on one thread."""
    entry = models_dir / DEFAULT_MODEL
    profile = profile_of(entry / "config.pbtxt")
    return MoonshineRecogniser(entry / "1", profile, threads=1, padding_frames=padding_frames)
