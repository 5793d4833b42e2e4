"""A process that turns recordings into windows, one after the other: `python -m stenod_server.audio.worker OPTIONS`.

Requests come as lines on standard input, answers go out as frames on standard output; when the pipe is full it waits,
which is all the back-pressure there is. It ends when its input does, and dies with its parent.
"""

import os
import sys
import traceback
from pathlib import Path
from typing import BinaryIO

from stenod_server.audio.confinement import allow_cpu_s, confine, tie_to_parent
from stenod_server.audio.front_end import recording
from stenod_server.audio.messages import PIPE_BYTES, Item, WorkerOptions, decode_request, encode
from stenod_server.audio.vad import Silero, SpeechModel
from stenod_server.errors import DecoderDied, LimitExceeded, StenodError


def serve(requests: BinaryIO, answers: BinaryIO, model: SpeechModel, options: WorkerOptions) -> None:
    """Answer every request until the input ends."""
    for line in requests:
        allow_cpu_s(options.cpu_limit_s)
        _answer(line, answers, model, options)


def _answer(line: bytes, answers: BinaryIO, model: SpeechModel, options: WorkerOptions) -> None:
    try:
        path, plan = decode_request(line)
        for item in recording(path, plan, model):
            _send(answers, item)
    except StenodError as error:
        _send(answers, error)
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except MemoryError:
        _send(answers, _out_of_memory(options.memory_limit_bytes))
    except Exception as exc:  # noqa: BLE001  a supervisor: whatever a file does to us, the next one is served
        traceback.print_exc()
        _send(answers, DecoderDied(f"the decoder failed: {type(exc).__name__}"))


def _out_of_memory(limit_bytes: int) -> StenodError:
    if limit_bytes:
        return LimitExceeded("media", limit="decode_memory_bytes", allowed=limit_bytes)
    return DecoderDied("the machine has no memory left to decode with")


def _send(answers: BinaryIO, item: Item | StenodError) -> None:
    head, audio = encode(item)
    answers.write(head)
    if audio is not None:
        answers.write(audio.data)
    answers.flush()


def main(argument: str) -> None:
    options = WorkerOptions.from_argument(argument)
    tie_to_parent(options.parent_pid)
    # What a library prints must not come between the frames.
    answers = os.fdopen(os.dup(1), "wb", PIPE_BYTES)  # a window with its head in one piece
    os.dup2(2, 1)
    model = Silero(Path(options.vad_path))
    confine(nice=options.nice, memory_limit_bytes=options.memory_limit_bytes)
    try:
        serve(sys.stdin.buffer, answers, model, options)
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(0)  # nobody listens: no flush, no farewell


if __name__ == "__main__":
    main(sys.argv[1])
