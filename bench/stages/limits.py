"""The default model's stages beside the least that they could take: see roofline.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from bench.stages.bare import Pass
from bench.stages.probes import DECODER, ENCODER
from bench.stages.roofline import Peaks, Work, decoder_work, encoder_work, measured_peaks
from bench.table import aligned
from stenod_models.families.moonshine import architecture as arch
from stenod_models.families.moonshine.runs import GreedyRun

_HOUR_S = 3600


@dataclass(slots=True)
class Steps:
    """What a pass decoded: `rows` are hypotheses stepped, `frames` those that they attended to, summed over steps."""

    steps: int = 0
    rows: int = 0
    frames: int = 0

    def watch(self, call: Any) -> Any:
        """GreedyRun.step, counting."""

        def counted(run: GreedyRun[Any], tokens: npt.NDArray[Any]) -> Any:
            self.steps += 1
            self.rows += len(tokens)
            self.frames += len(tokens) * run.frames
            return call(run, tokens)

        return counted


@dataclass(frozen=True, slots=True)
class Limit:
    """Processor seconds for each hour of audio: measured, and the least by the machine's peaks."""

    stage: str
    measured_s: float
    least_s: float
    work: Work


def limits(measured: Pass, frames: Sequence[int], steps: Steps, audio_s: float) -> tuple[list[Limit], Peaks]:
    """`frames` of each window."""
    peaks = measured_peaks(max(1, round(steps.rows / max(1, steps.steps))), max(1, round(sum(frames) / len(frames))))
    encoder, decoder = encoder_work(frames), decoder_work(steps.frames, steps.rows, steps.steps)
    scale = _HOUR_S / audio_s
    found = [
        Limit(ENCODER, measured.recogniser[ENCODER] * scale, peaks.least_encoder_s(encoder) * scale, encoder),
        Limit(DECODER, measured.recogniser[DECODER] * scale, peaks.least_decoder_s(decoder) * scale, decoder),
    ]
    return found, peaks


def frames_of(window_samples: Sequence[int]) -> list[int]:
    return [arch.frames_of(samples) for samples in window_samples]


def limit_table(found: Sequence[Limit], peaks: Peaks, audio_s: float) -> str:
    lines = [("stage", "CPU s per audio h", "least", "of the limit", "8-bit GOP/audio s", "fp32 GFLOP", "GB read")]
    lines += [
        (
            limit.stage,
            f"{limit.measured_s:.2f}",
            f"{limit.least_s:.2f}",
            f"{100 * limit.least_s / limit.measured_s:.0f} %",
            f"{limit.work.products_8bit / audio_s / 1e9:.3f}",
            f"{limit.work.products_float / audio_s / 1e9:.3f}",
            f"{limit.work.bytes_read / audio_s / 1e9:.4f}",
        )
        for limit in found
    ]
    told = (
        f"one core, measured: encoder {peaks.encoder_8bit / 1e9:.0f} GOP/s in 8 bits, {peaks.encoder_float / 1e9:.0f} "
        f"GFLOP/s in fp32; vocabulary {peaks.decoder_8bit / 1e9:.0f} GOP/s in 8 bits; keys read at "
        f"{peaks.attention_bytes / 1e9:.0f} GB/s"
    )
    return f"{aligned(lines)}\n{told}"
