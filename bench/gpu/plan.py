"""How much memory a GPU needs: counted, not measured."""

from collections.abc import Iterator
from dataclasses import replace

from bench.gpu.counts import BYTES, SAMPLE_RATE_HZ, Memory, ParakeetShape, WhisperShape

BATCHES = (1, 8, 16, 32, 64)
WINDOW_S = 30
WHISPER = {
    "whisper base": WhisperShape(512, 6, 6, 8, 80, 51_865),
    "whisper small": WhisperShape(768, 12, 12, 12, 80, 51_865),
    "whisper medium": WhisperShape(1024, 24, 24, 16, 80, 51_865),
    "whisper large-v3": WhisperShape(1280, 32, 32),
    "whisper large-v3-turbo": WhisperShape(),
}


def rows() -> Iterator[tuple[str, str, list[Memory]]]:
    """Model, precision, and the memory of each batch of full windows."""
    parakeet = ParakeetShape()
    samples = WINDOW_S * SAMPLE_RATE_HZ
    for precision in ("fp32", "bf16"):
        yield "parakeet-tdt-0.6b", precision, [parakeet.memory(batch, samples, precision) for batch in BATCHES]
    # A CPU's alone, where windows are encoded one by one, with activations of 32 bits.
    alone = replace(parakeet.memory(1, samples, "fp32"), weights=parakeet.weights * BYTES["int8"])
    yield "parakeet-tdt-0.6b", "int8", [alone] * len(BATCHES)
    for name, shape in WHISPER.items():
        for precision in ("fp32", "fp16"):
            yield name, precision, [shape.memory(batch, precision) for batch in BATCHES]


def table() -> str:
    """Markdown: GiB of weights, and of everything at each batch size."""
    head = "".join(f" batch {batch} |" for batch in BATCHES)
    lines = [f"| model | precision | weights |{head}", "|---|---|---|" + "---|" * len(BATCHES)]
    for model, precision, memories in rows():
        cells = "".join(f" {memory.in_gib()[3]:.1f} |" for memory in memories)
        lines.append(f"| {model} | {precision} | {memories[0].in_gib()[0]:.1f} |{cells}")
    return "\n".join(lines)
