"""The stages of the audio path and of the recogniser: each in this process, on one thread, by its processor time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.protocol import Clip
from bench.stages.probes import BETWEEN, CUTTING, FRONT_END, RECOGNISERS
from bench.stages.stopwatch import Stopwatch, probing
from bench.systems.bare import Batching, Models
from stenod_models.contract import RecognitionOptions
from stenod_models.families.registry import load_recogniser
from stenod_models.recogniser import Int16Audio, Recogniser
from stenod_server.audio.front_end import recording
from stenod_server.audio.vad import Silero
from stenod_server.ports import Window, WindowPlan


@dataclass(frozen=True, slots=True)
class Pass:
    """All recordings once. `seconds` by stage; the stages of the front end and of the recogniser in their order."""

    front_end: Mapping[str, float]
    recogniser: Mapping[str, float]
    calls: Mapping[str, int]
    window_samples: Sequence[int]


class BareStages:
    """Loads and warms a model; each `run` measures everything once."""

    def __init__(self, models: Models) -> None:
        batching = Batching.of(models.entry)
        self.profile = batching.profile
        self._speech_model = Silero(models.vad)
        self._recogniser: Recogniser = load_recogniser(batching.profile, models.entry / "1", threads=1)
        self._recogniser.warm()

    def run(self, clips: Sequence[Clip]) -> Pass:
        """Batches are as full as the model's configuration allows, of neighbours, the longest window first."""
        front = Stopwatch()
        with probing(FRONT_END, front):
            windows = [window.audio for clip in clips for window in self._windows(clip, front)]
        back = Stopwatch()
        with probing(RECOGNISERS[self.profile.family], back):
            for batch in batches(windows, self.profile.max_batch_size):
                with back.stage(BETWEEN):
                    self._recogniser.recognise(batch, language="en", options=RecognitionOptions())
        return Pass(front.seconds, back.seconds, back.calls, [len(window) for window in windows])

    def _windows(self, clip: Clip, watch: Stopwatch) -> list[Window]:
        plan = WindowPlan(self.profile.window_target_samples, self.profile.window_max_samples)
        with watch.stage(CUTTING):
            items = list(recording(Path(clip.path), plan, self._speech_model))
        return [item for item in items if isinstance(item, Window)]


def batches(windows: Sequence[Int16Audio], size: int) -> Iterator[list[Int16Audio]]:
    for first in range(0, len(windows), size):
        yield sorted(windows[first : first + size], key=len, reverse=True)
