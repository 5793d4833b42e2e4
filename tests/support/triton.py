"""A real Triton for tests: with the `sleeper` (quick, no weights) or with the real default model.

Import the fixture you need into a test module or a conftest: `sleeper_triton`, `embedded_triton`.
"""

import json
import os
import platform
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stenod_models.contract import SAMPLE_RATE_HZ, Profile, VoicesProfile
from stenod_server.engine.embedded import EmbeddedSettings, EmbeddedTriton
from stenod_server.engine.tritonserver import Host, locate
from stenod_server.engine.watch import WatchOptions
from stenod_server.errors import TritonFailed

SLEEPER = "sleeper"
SLEEPER_VOICES = "sleeper-voices"
MISBEHAVIOURS = ("x-unordered", "x-wait", "x-crash", "x-internal", "x-short")  # languages; see sleeper_model.py
SLEEPER_CANARY_S = 2
DEADLY_SAMPLE, ENDLESS_SAMPLE = -12_345, -12_346  # of sleeper_model.py
WINDOW_MAX_SAMPLES = 30 * SAMPLE_RATE_HZ

_MODEL = Path(__file__).with_name("sleeper_model.py")  # importable inside Triton alone, as is the next one
_VOICES_MODEL = Path(__file__).with_name("sleeper_voices_model.py")

SLEEPER_PROFILE = Profile(
    model=SLEEPER,
    family="sleeper",
    languages=("en", "de", *MISBEHAVIOURS),
    window_target_samples=10 * SAMPLE_RATE_HZ,
    window_max_samples=WINDOW_MAX_SAMPLES,
    length_buckets_samples=(WINDOW_MAX_SAMPLES,),
    max_batch_size=4,
)

_CONFIG = """
name: "%(name)s"
backend: "python"
max_batch_size: 4
input [
  { name: "AUDIO" data_type: TYPE_INT16 dims: [ -1 ] allow_ragged_batch: true },
  { name: "LANGUAGE" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "OPTIONS" data_type: TYPE_STRING dims: [ 1 ] }
]
output [
  { name: "WORDS" data_type: TYPE_STRING dims: [ -1 ] },
  { name: "START_SAMPLES" data_type: TYPE_INT32 dims: [ -1 ] },
  { name: "END_SAMPLES" data_type: TYPE_INT32 dims: [ -1 ] },
  { name: "CONFIDENCE" data_type: TYPE_FP32 dims: [ -1 ] },
  { name: "LANGUAGE_OUT" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "LANGUAGE_CONFIDENCE" data_type: TYPE_FP32 dims: [ 1 ] },
  { name: "NO_SPEECH" data_type: TYPE_FP32 dims: [ 1 ] }
]
instance_group [ { kind: KIND_CPU count: 1 } ]
dynamic_batching {
  max_queue_delay_microseconds: 20000
  priority_levels: 2
  default_priority_level: 2
}
%(parameters)s
"""


def add_sleeper(models_dir: Path, *, name: str = SLEEPER, fixed_ms: int = 0) -> Path:
    """Write the sleeper's model repository entry, canary included.

    Returns a directory of marks: `sleeping` once a batch sleeps for `fixed_ms`, `waiting` and `cancelled` of a window
    in the language `x-wait`; a test may put a `wrong` there.
    """
    entry = models_dir / name
    (entry / "1").mkdir(parents=True)
    (entry / "1" / "model.py").write_text(_MODEL.read_text())
    marks = models_dir.parent / f"{name}.marks"
    marks.mkdir()
    parameters = {
        "profile": SLEEPER_PROFILE.to_json(),
        "fixed_ms": str(fixed_ms),
        "marks": str(marks),
    }
    lines = [
        f"parameters {{ key: {json.dumps(key)} value {{ string_value: {json.dumps(value)} }} }}"
        for key, value in parameters.items()
    ]
    (entry / "config.pbtxt").write_text(_CONFIG % {"name": name, "parameters": "\n".join(lines)})
    samples = SLEEPER_CANARY_S * SAMPLE_RATE_HZ
    write_canary(entry, samples, [f"{samples}-{second}" for second in range(SLEEPER_CANARY_S)])
    return marks


_VOICES_CONFIG = """
name: "%(name)s"
backend: "python"
max_batch_size: 4
input [ { name: "AUDIO" data_type: TYPE_INT16 dims: [ -1 ] allow_ragged_batch: true } ]
output [
  { name: "SPAN_START_SAMPLES" data_type: TYPE_INT32 dims: [ -1 ] },
  { name: "SPAN_END_SAMPLES" data_type: TYPE_INT32 dims: [ -1 ] },
  { name: "SPAN_VOICE" data_type: TYPE_INT32 dims: [ -1 ] },
  { name: "EMBEDDINGS" data_type: TYPE_FP32 dims: [ -1 ] },
  { name: "CLEAN_SAMPLES" data_type: TYPE_INT32 dims: [ -1 ] }
]
instance_group [ { kind: KIND_CPU count: 1 } ]
dynamic_batching {
  max_queue_delay_microseconds: 20000
  priority_levels: 2
  default_priority_level: 2
}
parameters { key: "voices_profile" value { string_value: %(profile)s } }
"""


def add_sleeper_voices(models_dir: Path, *, name: str = SLEEPER_VOICES) -> None:
    """Write the entry of a model that hears the voices that FakeEngine hears."""
    entry = models_dir / name
    (entry / "1").mkdir(parents=True)
    (entry / "1" / "model.py").write_text(_VOICES_MODEL.read_text())
    profile = VoicesProfile(
        model=name,
        family="sleeper",
        window_max_samples=WINDOW_MAX_SAMPLES,
        dimensions=8,
        max_batch_size=4,
        revision="1",
    )
    config = _VOICES_CONFIG % {"name": name, "profile": json.dumps(profile.to_json())}
    (entry / "config.pbtxt").write_text(config)


def write_canary(entry: Path, samples: int, words: list[str]) -> None:
    with wave.open(str(entry / "canary.wav"), "wb") as opened:
        opened.setnchannels(1)
        opened.setsampwidth(2)
        opened.setframerate(SAMPLE_RATE_HZ)
        opened.writeframes(np.zeros(samples, "<i2").tobytes())
    (entry / "canary.json").write_text(json.dumps({"words": words}))


def sleeper_settings(root: Path, **changes: Any) -> EmbeddedSettings:
    """Settings for a sleeper under `root`; quick restarts and checks, so that tests need not wait."""
    quick = WatchOptions(
        interval_s=0.5,
        retry_initial_s=0.05,
        retry_maximum_s=0.2,
        control_timeout_s=1.0,
        canary_timeout_s=10.0,
        doubt_s=0.5,
        hung_s=2.0,
    )
    settings: dict[str, Any] = {
        "grace_s": 5.0,
        "start_timeout_s": 60.0,
        "restart_initial_s": 0.05,
        "watch": quick,
        "models": [SLEEPER],
    }
    return EmbeddedSettings(data_dir=root / "data", models_dir=root / "models", **(settings | changes))


def require_triton() -> None:
    """Skip where the embedded Triton cannot run at all; in CI and on the platform it is made for, fail instead."""
    try:
        locate(Host.here())
    except TritonFailed as error:
        supported = sys.platform == "linux" and platform.machine() in {"x86_64", "aarch64"}
        if os.environ.get("CI") or supported:
            raise
        pytest.skip(error.message)


@pytest.fixture(scope="session")
async def sleeper_triton(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedTriton]:
    """A running Triton with the sleeper and a model of voices. Shared: a test that hurts its Triton starts another."""
    require_triton()
    root = tmp_path_factory.mktemp("sleeper")
    add_sleeper(root / "models")
    add_sleeper_voices(root / "models")
    triton = EmbeddedTriton(sleeper_settings(root, models=[SLEEPER, SLEEPER_VOICES]))
    await triton.start()
    try:
        yield triton
    finally:
        await triton.stop()


@pytest.fixture(scope="session")
async def embedded_triton(
    built_models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[EmbeddedTriton]:
    """A running Triton with the real default model and that of voices. Needs the fixture `built_models_dir` of
    tests/support/models.py.
    """
    require_triton()
    settings = EmbeddedSettings(
        data_dir=tmp_path_factory.mktemp("triton"), models_dir=built_models_dir, models=["moonshine-tiny-en", "voices"]
    )
    triton = EmbeddedTriton(settings)
    await triton.start()
    try:
        yield triton
    finally:
        await triton.stop()
