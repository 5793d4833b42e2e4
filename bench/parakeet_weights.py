"""A Parakeet with random weights: a checkpoint as large as the published FastConformer-TDT of 110 million parameters,
whose head is balanced so that streams of tokens look like those of speech. Needs the extra `export`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.parakeet_checkpoints import Shape, make_checkpoint


@dataclass(frozen=True, slots=True)
class _Medium(Shape):
    """With the vocabulary and the decoder of the large one."""

    @property
    def encoder(self) -> dict[str, Any]:
        return {
            "hidden_size": 512,
            "num_hidden_layers": 17,
            "num_attention_heads": 8,
            "intermediate_size": 2048,
            "num_mel_bins": 80,
            "conv_kernel_size": 9,
            "subsampling_conv_channels": 256,
            "attention_bias": False,
            "convolution_bias": False,
            "scale_input": False,
        }


def random_parakeet(cache_dir: Path) -> Path:
    """The checkpoint's directory, made at the first call."""
    target = cache_dir / "parakeet-random"
    if not target.is_dir():
        partial = target.with_suffix(".partial")
        make_checkpoint(partial, _Medium("tdt", seed=0, is_large=True)).rename(target)
    return target
