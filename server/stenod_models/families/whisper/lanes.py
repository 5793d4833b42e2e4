"""Whisper as it is served: on a CPU a batch is shared out among the cores."""

import os
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Final

from stenod_models.contract import Profile
from stenod_models.device import CPU, Device
from stenod_models.families.whisper.architecture import WEIGHTS
from stenod_models.families.whisper.runtime import WhisperRecogniser
from stenod_models.recogniser import Recogniser
from stenod_models.side_by_side import SideBySide

# Of a full batch: each lane reads all weights at every step, which fewer rows do not pay.
_LEAST_ROWS: Final = 4


def load_whisper(artefacts: Path, profile: Profile, *, threads: int, device: Device = CPU) -> Recogniser:
    """From the version directory of an entry. `threads` 0: one for each core. Raises UnavailableDeviceError."""
    cores = threads or len(os.sched_getaffinity(0))
    lanes = max(1, min(cores, profile.max_batch_size // _LEAST_ROWS))
    if device.kind != "cpu" or (artefacts / WEIGHTS).is_file():
        lanes = 1
    share = replace(profile, max_batch_size=-(-profile.max_batch_size // lanes))
    first = WhisperRecogniser(artefacts, share, threads=threads, device=device)
    others = [copy(first) for _ in range(lanes - 1)]
    for one in others:
        one.have_own_memory()
    return SideBySide(profile, [first, *others]) if others else first
