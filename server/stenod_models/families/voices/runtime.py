"""VoicesRuntime: windows in, who speaks when out. See voices.VoicesModel for the contract."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from stenod_models.contract import SAMPLE_RATE_HZ, VoicesProfile
from stenod_models.families.voices import architecture as arch
from stenod_models.families.voices.activity import (
    BoolArray,
    chunk_starts,
    frames_of,
    in_stretches,
    runs_of,
    span_samples,
    window_activity,
)
from stenod_models.families.voices.features import FRAME_SAMPLES, feature_frames, log_mel
from stenod_models.onnx_sessions import open_session
from stenod_models.recogniser import Int16Audio
from stenod_models.voices import FloatArray, HeardVoices

Int64Array = npt.NDArray[np.int64]

# What a voice is embedded of, in frames of features: the shortest that takes its speech, which is repeated to fill it.
# So no voice is padded, and its embedding depends neither on its mates nor on padding.
EMBEDDED_FRAMES: Final = (100, 150, 200, 250, 300)
_LEAST_CLEAN_FRAMES: Final = 50  # below this a voice is embedded of all it is heard in, others or not
_CHUNKS_AT_ONCE: Final = 8
_VOICES_AT_ONCE: Final = 4  # more of them leave the cache


@dataclass(frozen=True, slots=True, eq=False)
class _Speech:
    """What one voice is embedded of."""

    features: FloatArray  # (one of EMBEDDED_FRAMES, MEL_BINS)
    clean_samples: int


class VoicesRuntime:
    def __init__(self, artefacts: Path, profile: VoicesProfile | None = None, *, threads: int = 1) -> None:
        """Load from the version directory of a model repository entry. `threads` 0 lets ONNX Runtime choose."""
        self.profile = profile or DEFAULT_PROFILE
        self._segmentation = open_session(artefacts / "segmentation.onnx", threads)
        self._embedding = open_session(artefacts / "embedding.onnx", threads)

    def voices(
        self, windows: Sequence[Int16Audio], *, is_cancelled: Callable[[int], bool] = lambda _index: False
    ) -> list[HeardVoices | None]:
        longest = self.profile.window_max_samples
        if any(len(window) > longest for window in windows):
            raise ValueError(f"a window is longer than {longest} samples")
        activities = self._activities(windows)
        wanted = [index for index in range(len(windows)) if not is_cancelled(index)]
        speech = {index: speech_of(windows[index], activities[index]) for index in wanted}
        embeddings = iter(self._embed([part.features for index in wanted for part in speech[index]]))
        return [
            _heard(windows[index], activities[index], speech[index], embeddings) if index in speech else None
            for index in range(len(windows))
        ]

    def warm(self) -> None:
        """Takes the memory that will be needed; the graphs are prepared for no particular length."""
        noise = np.random.default_rng(0).normal(0, 300, arch.CHUNK_SAMPLES).astype(np.int16)
        self._activities([noise] * _CHUNKS_AT_ONCE)
        self._embed([np.zeros((EMBEDDED_FRAMES[-1], arch.MEL_BINS), np.float32)] * _VOICES_AT_ONCE)

    def _activities(self, windows: Sequence[Int16Audio]) -> list[BoolArray]:
        """(frames, voices) of each window."""
        starts = [chunk_starts(len(window)) for window in windows]
        chunks = [_chunk(window, start) for window, places in zip(windows, starts, strict=True) for start in places]
        classes: list[FloatArray] = []
        for first in range(0, len(chunks), _CHUNKS_AT_ONCE):
            given = np.stack(chunks[first : first + _CHUNKS_AT_ONCE])
            classes.extend(self._segmentation.run(None, {"audio": given})[0])
        rows = iter(classes)
        return [
            embeddable(
                in_stretches(window_activity([next(rows) for _start in places], places, frames_of(len(window)))),
                len(window),
            )
            for window, places in zip(windows, starts, strict=True)
        ]

    def _embed(self, features: Sequence[FloatArray]) -> list[FloatArray]:
        """A vector of length 1 for each, in their order."""
        embeddings: dict[int, FloatArray] = {}
        for frames in EMBEDDED_FRAMES:
            places = [place for place, one in enumerate(features) if len(one) == frames]
            for first in range(0, len(places), _VOICES_AT_ONCE):
                group = places[first : first + _VOICES_AT_ONCE]
                given = np.stack([features[place] for place in group])
                found = self._embedding.run(None, {"features": given})[0]
                embeddings.update(zip(group, found / np.linalg.norm(found, axis=1, keepdims=True), strict=True))
        return [embeddings[place] for place in range(len(features))]


def _chunk(window: Int16Audio, start: int) -> Int16Audio:
    """Silence follows where the window ends."""
    part = window[start * arch.FRAME_SAMPLES :][: arch.CHUNK_SAMPLES]
    chunk = np.zeros(arch.CHUNK_SAMPLES, np.int16)
    chunk[: len(part)] = part
    return chunk


def embeddable(activity: BoolArray, samples: int) -> BoolArray:
    """The voices of a window of so many samples that a frame of features tells of: one that is heard in its last
    few milliseconds alone may have none.
    """
    return activity[:, _in_features(activity, samples).any(axis=0)]


def speech_of(window: Int16Audio, activity: BoolArray) -> list[_Speech]:
    """Of each voice, all of them `embeddable`."""
    heard = _in_features(activity, len(window))
    alone = heard & (heard.sum(axis=1, keepdims=True) == 1)
    speech = []
    for voice in range(activity.shape[1]):
        clean = int(alone[:, voice].sum())
        of_voice = alone[:, voice] if clean >= _LEAST_CLEAN_FRAMES else heard[:, voice]
        chosen = _longest_runs(of_voice, EMBEDDED_FRAMES[-1])
        speech.append(_Speech(_filled(log_mel(window, chosen)), clean * arch.HOP_SAMPLES))
    return speech


def _in_features(activity: BoolArray, samples: int) -> BoolArray:
    """Who is heard in each frame of features: (frames, voices)."""
    centres = np.arange(feature_frames(samples)) * arch.HOP_SAMPLES + FRAME_SAMPLES // 2
    places = (centres - arch.FIRST_CENTRE_SAMPLES + arch.FRAME_SAMPLES // 2) // arch.FRAME_SAMPLES
    return activity[np.clip(places, 0, len(activity) - 1)]


def _longest_runs(active: BoolArray, most: int) -> Int64Array:
    """Up to `most` frames, out of the longest runs: the fewer joins, the better. In order of time."""
    runs = sorted(runs_of(active), key=lambda run: run.start - run.end)
    frames = np.concatenate([np.arange(run.start, run.end) for run in runs])[:most]
    return np.sort(frames)


def _filled(features: FloatArray) -> FloatArray:
    """Free of their mean, and repeated to one of EMBEDDED_FRAMES."""
    frames = next(frames for frames in EMBEDDED_FRAMES if len(features) <= frames)
    return np.resize(features - features.mean(axis=0), (frames, arch.MEL_BINS))


def _heard(
    window: Int16Audio, activity: BoolArray, speech: Sequence[_Speech], embeddings: Iterator[FloatArray]
) -> HeardVoices:
    spans = sorted(
        (*span_samples(run, len(activity), len(window)), voice)
        for voice in range(len(speech))
        for run in runs_of(activity[:, voice])
    )
    columns = np.array(spans, np.int32).reshape(-1, 3)
    rows = [next(embeddings) for _voice in speech]
    return HeardVoices(
        columns[:, 0],
        columns[:, 1],
        columns[:, 2],
        np.array(rows, np.float32).reshape(-1, arch.DIMENSIONS),
        np.array([part.clean_samples for part in speech], np.int32),
    )


DEFAULT_PROFILE: Final = VoicesProfile(
    model="voices",
    family="voices",
    window_max_samples=30 * SAMPLE_RATE_HZ,
    dimensions=arch.DIMENSIONS,
    max_batch_size=2,
)
