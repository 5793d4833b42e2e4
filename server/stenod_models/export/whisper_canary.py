"""The canary of a Whisper entry: a recording that another entry of the models directory already has as its own."""

import json
import shutil
from pathlib import Path
from typing import Final

from stenod_models.contract import AUTO_LANGUAGE, RecognitionOptions
from stenod_models.export.pbtxt import profile_of
from stenod_models.export.wav_files import Int16Audio, read_16khz

_LEAST_AGREEMENT: Final = 0.8


def add_canary(target: Path, version: Path) -> None:
    """Take over the first canary beside `target` that this model understands.

    A checkpoint brings no recording. Where there is no other entry, or this model knows another language, there is no
    canary, and a server checks the shape of its answers only.
    """
    for audio in sorted(target.parent.glob("[a-z0-9]*/canary.wav")):
        expected = json.loads((audio.parent / "canary.json").read_text())["words"]
        samples = read_16khz(audio)
        heard = _heard(target, version, samples)
        if sum(one == other for one, other in zip(heard, expected, strict=False)) >= _LEAST_AGREEMENT * len(expected):
            shutil.copy(audio, target / "canary.wav")
            (target / "canary.json").write_text(json.dumps({"words": heard}) + "\n")
            return


def _heard(target: Path, version: Path, samples: Int16Audio) -> list[str]:
    from stenod_models.families.registry import load_recogniser  # noqa: PLC0415

    recogniser = load_recogniser(profile_of(target / "config.pbtxt"), version, threads=0)
    (result,) = recogniser.recognise([samples], language=AUTO_LANGUAGE, options=RecognitionOptions())
    words = result.words if result else ()
    return ["".join(filter(str.isalnum, word.text)).lower() for word in words]
