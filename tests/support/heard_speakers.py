"""Recordings with their speakers, heard by the model of voices in this process: no server, no Triton."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from stenod_models.families.voices.runtime import VoicesRuntime
from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.diarization import Diarization, DiarizationMode
from stenod_server.ports import Voice, VoiceSpan, WindowVoices
from stenod_server.speakers.diarizer import Diarizer
from stenod_server.speakers.turns import SpeakerTurns
from tests.support.models import read_audio
from tests.support.speech import Recording, recordings

Int16Audio = npt.NDArray[np.int16]

ALONE_KINDS: Final = ("read_en", "read_en_1min", "spont_en", "speakers_en", "multilingual", "noisy_en")
TELEPHONE: Final = "dual-dev-ulaw"
_SHORTEST_SAMPLES: Final = SAMPLE_RATE_HZ // 2


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One person speaking alone. `utterance` is the same in recordings of the same words by the same person."""

    name: str
    speaker: str
    utterance: str
    condition: str
    audio: Int16Audio


def clips_of_speakers() -> Iterator[Clip]:
    """Of everybody whose name the speech set knows; those of one turn of the telephone call are cut out of it."""
    utterances: dict[str, str] = {}
    for recording in recordings(*ALONE_KINDS):
        if speaker := recording.fields.get("speaker"):
            utterance = recording.id.partition("-")[2] if recording.kind in {"noisy_en", "read_en"} else recording.id
            utterances[recording.text] = utterance
            yield Clip(recording.id, speaker, utterance, _condition(recording), read_audio(recording.path))
    for recording in recordings("dual_channel"):
        if recording.id == TELEPHONE:
            yield from _turns(recording, utterances)


def _condition(recording: Recording) -> str:
    if recording.kind == "noisy_en":
        return f"noise, {recording.fields['snr_db']} dB"
    return "clean"


def _turns(recording: Recording, utterances: dict[str, str]) -> Iterator[Clip]:
    audio = read_audio(recording.path)
    for number, turn in enumerate(recording.fields["segments"]):
        part = audio[round(turn["start"] * SAMPLE_RATE_HZ) : round(turn["end"] * SAMPLE_RATE_HZ)]
        utterance = utterances.get(turn["text"], turn["text"])
        yield Clip(f"{recording.id}-{number}", turn["speaker"], utterance, "telephone", part)


class Ear:
    """The model of voices, from its directory."""

    def __init__(self, models_dir: Path) -> None:
        self._runtime = VoicesRuntime(models_dir / "voices" / "1")

    @property
    def dimensions(self) -> int:
        return self._runtime.profile.dimensions

    def turns(self, audio: Int16Audio) -> SpeakerTurns:
        """Who speaks in it, heard window by window as a job's windows are."""
        diarizer = Diarizer(Diarization(mode=DiarizationMode.SPEAKER))
        longest = self._runtime.profile.window_max_samples
        for start in range(0, len(audio), longest):
            window = audio[start : start + longest]
            if len(window) >= _SHORTEST_SAMPLES:
                diarizer.add(start, self._voices(window))
        return diarizer.finish()

    def _voices(self, window: Int16Audio) -> WindowVoices:
        (heard,) = self._runtime.voices([window])
        assert heard is not None
        spans = zip(heard.span_start_samples, heard.span_end_samples, heard.span_voice, strict=True)
        voices: Sequence[Voice] = [
            Voice(embedding, int(clean)) for embedding, clean in zip(heard.embeddings, heard.clean_samples, strict=True)
        ]
        return WindowVoices(tuple(VoiceSpan(*map(int, span)) for span in spans), tuple(voices))
