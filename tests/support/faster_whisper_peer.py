"""faster-whisper behind pipes: a question a line in, an answer a line out, JSON both. Runs in the peers' environment.

    python -m tests.support.faster_whisper_peer MODEL_DIR

A question is `{"path", "language"}`; no language: it finds out itself. A path that ends in `.npy` holds one window
(int16, 16 kHz), which is padded with silence as Whisper was trained, and decoded without time stamps, as our recogniser
does both. Any other recording it decodes, cuts and pads itself, with its defaults. Greedy, at rising temperatures where
that comes out badly, no window prompted with the text before it.
"""

import json
import os
import sys
from typing import Any, Final

import numpy as np
from faster_whisper import WhisperModel  # type: ignore[import-not-found]

_WINDOW_SAMPLES: Final = 480_000
_GREEDY: Final = {"beam_size": 1, "condition_on_previous_text": False}


def answer(model: Any, path: str, language: str | None) -> dict[str, Any]:
    if path.endswith(".npy"):
        window = np.load(path).astype(np.float32) / 32768
        audio = np.pad(window, (0, _WINDOW_SAMPLES - len(window)))
        segments, info = model.transcribe(audio, language=language, without_timestamps=True, **_GREEDY)
    else:
        segments, info = model.transcribe(path, language=language, **_GREEDY)
    return {"text": "".join(segment.text for segment in segments).strip(), "language": info.language}


def main() -> None:
    """What libraries print goes to stderr."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        model = WhisperModel(sys.argv[1], device="cpu", compute_type="float32", cpu_threads=1)
        for line in sys.stdin:
            print(json.dumps(answer(model, **json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
