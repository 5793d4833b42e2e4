"""Peer: the native moonshine-voice library with the tiny English model, clip by clip."""

from importlib.metadata import version

import numpy as np
from moonshine_voice import ModelArch, Transcriber  # type: ignore[import-not-found]
from moonshine_voice.utils import get_model_path  # type: ignore[import-not-found]

from bench.media import SAMPLE_RATE_HZ, read_audio
from bench.protocol import Report, Request, serve

CLIPS = "clips"


def run(request: Request, report: Report) -> None:
    # The audio of each line need not come back: it would be copied into a list of numbers.
    options = {"return_audio_data": "false"}
    with Transcriber(get_model_path("tiny-en"), ModelArch.TINY, options=options) as transcriber:

        def text_of(path: str) -> str:
            audio = (read_audio(path) / np.float32(32768)).tolist()
            transcript = transcriber.transcribe_without_streaming(audio, SAMPLE_RATE_HZ)
            return " ".join(line.text.strip() for line in transcript.lines)

        text_of(request.single.path)
        report.ready({"moonshine-voice": version("moonshine-voice")})
        for clip in request.warm_up:
            text_of(clip.path)
        if CLIPS in request.scenarios:
            for run in report.repeated(CLIPS):
                with run as texts:
                    for clip in request.clips:
                        texts[clip.id] = text_of(clip.path)


if __name__ == "__main__":
    serve(run)
