"""The request that every system of a run gets, but for its scenarios and its model."""

import os
from collections.abc import Sequence
from typing import Final

from bench.protocol import Request
from bench.recordings import CACHE_DIR, Recording, joined_clip, single_clip

MODELS_DIR: Final = CACHE_DIR / "models"


def request_for(recordings: Sequence[Recording], *, scenarios: Sequence[str], model: str = "") -> Request:
    return Request(
        scenarios=tuple(scenarios),
        clips=tuple(recording.clip for recording in recordings),
        joined=joined_clip(recordings),
        single=single_clip(recordings),
        threads=len(os.sched_getaffinity(0)),
        cache_dir=str(CACHE_DIR),
        models_dir=str(MODELS_DIR),
        model=model,
    )
