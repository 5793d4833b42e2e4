"""The shape of one Parakeet model, kept as JSON beside its weights, and the lengths that follow from it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal, Self

Kind = Literal["tdt", "rnnt", "ctc"]
Runtime = Literal["onnxruntime", "nemo", "torch"]  # "nemo": ONNX Runtime on graphs that NeMo exported

FILE_NAME: Final = "architecture.json"
WEIGHTS: Final = "weights.pt"  # of the torch runtime
HOP_SAMPLES: Final = 160
SUBSAMPLING: Final = 8  # feature frames to one encoded frame: three convolutions of stride 2
FRAME_SAMPLES: Final = HOP_SAMPLES * SUBSAMPLING  # 80 ms
MIN_SAMPLES: Final = 2 * HOP_SAMPLES  # the features' variance needs two frames


@dataclass(frozen=True, slots=True)
class Architecture:
    """`blank` is the token that stands for none. `durations` are the frames that a TDT head chooses from; a CTC model
    has no prediction network, and its `predictor_*` are 0. `max_symbols` is the most tokens of one encoded frame. Of a
    NeMo export the shape of the encoder is not known, nor needed: it is 0.
    """

    kind: Kind
    runtime: Runtime
    precision: str
    mel_bins: int
    preemphasis: float
    hidden_size: int
    layers: int
    heads: int
    scale_input: bool
    vocabulary_size: int
    blank: int
    durations: tuple[int, ...] = ()
    max_symbols: int = 10
    predictor_size: int = 0
    predictor_layers: int = 0

    def save(self, folder: Path) -> None:
        (folder / FILE_NAME).write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        raw = json.loads((folder / FILE_NAME).read_text())
        return cls(**{**raw, "durations": tuple(raw["durations"])})


def feature_frames(samples: int) -> int:
    return samples // HOP_SAMPLES


def encoded_frames(frames: int) -> int:
    """Of that many feature frames; each convolution of stride 2 rounds up, and so does their product."""
    return -(-frames // SUBSAMPLING)
