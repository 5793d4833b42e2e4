"""A recording whose words are known: a recogniser serves only while it hears them.

Triton's own READY says that a model was loaded, not that it is right: with numpy 2 in the stub's environment every
tensor arrives empty, without an error. The files are `<models_dir>/<model>/canary.wav` (16 kHz, mono, 16 bit) and
`canary.json` (`{"words": [...]}`). Where they are absent (an external Triton whose models are not also here) one second
of silence is sent instead, and only the shape of the answer is checked: that still catches empty tensors.
"""

import json
import re
import wave
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.errors import ContractViolation, TritonFailed
from stenod_server.ports import Int16Audio, RecognitionRequest, WindowResult

# Of the expected words. Another provider or precision may hear a word differently; a broken one hears none of them.
MAX_WRONG_WORDS_RATIO: Final = 0.2

Recognise = Callable[[Int16Audio, RecognitionRequest], Awaitable[WindowResult]]


@dataclass(frozen=True, slots=True, eq=False)
class Canary:
    """`audio` is int16 (samples,) at 16 000 Hz; no `words` means that only the shape of the answer is checked."""

    audio: Int16Audio
    words: tuple[str, ...] = ()


SILENCE: Final = Canary(np.zeros(SAMPLE_RATE_HZ, np.int16))


def load_canaries(models_dir: Path, models: Iterable[str]) -> Mapping[str, Canary]:
    """The canaries that `models_dir` has, by model. Reads files. Raises TritonFailed for one that cannot be read."""
    return {model: _load(models_dir / model) for model in models if (models_dir / model / "canary.wav").is_file()}


async def check_model(model: str, canary: Canary | None, recognise: Recognise) -> None:
    """Recognise the canary, ahead of bulk work. Raises ContractViolation when other words come back."""
    expected = canary or SILENCE
    result = await recognise(expected.audio, RecognitionRequest(model, interactive=True))
    if expected.words:
        compare(model, expected.words, [word.text for word in result.words])


def compare(model: str, expected: Iterable[str], heard: Iterable[str]) -> None:
    """Case and punctuation do not count. Raises ContractViolation when too many words are wrong."""
    wanted, got = _plain(expected), _plain(heard)
    wrong = word_distance(wanted, got)
    if wrong > MAX_WRONG_WORDS_RATIO * len(wanted):
        message = (
            f"{model} fails its canary: {wrong} of {len(wanted)} words are wrong; it heard {' '.join(got)!r} "
            f"instead of {' '.join(wanted)!r}"
        )
        raise ContractViolation(message, model=model)


def word_distance(expected: list[str], heard: list[str]) -> int:
    """Insertions, deletions and substitutions between two lists of words."""
    row = list(range(len(heard) + 1))
    for place, word in enumerate(expected, 1):
        diagonal, row[0] = row[0], place
        for column, other in enumerate(heard, 1):
            diagonal, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, diagonal + (word != other)),
            )
    return row[-1]


def _plain(words: Iterable[str]) -> list[str]:
    return [plain for word in words for plain in re.findall(r"[\w']+", word.casefold())]


def _load(entry: Path) -> Canary:
    try:
        with wave.open(str(entry / "canary.wav")) as recording:
            form = (recording.getframerate(), recording.getnchannels(), recording.getsampwidth())
            audio = np.frombuffer(recording.readframes(recording.getnframes()), "<i2").astype(np.int16)
        words = tuple(json.loads((entry / "canary.json").read_text())["words"])
    except (OSError, EOFError, wave.Error, ValueError, LookupError, TypeError) as error:
        raise TritonFailed(f"the canary of {entry} cannot be read: {error}; add the model again") from error
    if form != (SAMPLE_RATE_HZ, 1, 2) or not words:
        raise TritonFailed(f"the canary of {entry} is not a 16 kHz mono 16-bit recording with words; add it again")
    return Canary(audio, words)
