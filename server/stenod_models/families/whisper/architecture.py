"""What a Whisper checkpoint says of itself, shared by the graphs and the runtime. Pure.

See "Robust Speech Recognition via Large-Scale Weak Supervision" (Radford et al., 2022). A window is padded to the whole
input, 30 s in every published size: 3000 log-mel frames of 160 samples, of which the encoder makes 1500.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, Self

WEIGHTS: Final = "weights.pt"  # of the torch runtime
HOP_SAMPLES: Final = 160  # between log-mel frames
FRAME_SAMPLES: Final = 2 * HOP_SAMPLES  # between encoder frames: its second convolution has a stride of 2
MIN_SAMPLES: Final = 1600  # 0.1 s: below it the model only invents

_MOST_ALIGNMENT_HEADS: Final = 16
_LONGEST_START: Final = 5  # special tokens: of earlier text, of the start, of language and task, of no time stamps


@dataclass(frozen=True, slots=True)
class Architecture:
    """`source_positions` counts encoder frames, `target_positions` tokens with the prompt. `alignment_heads` are pairs
    of layer and head whose cross-attention follows the speech. `suppressed` tokens are never chosen, `suppressed_first`
    not as the first one.
    """

    mels: int
    width: int
    encoder_layers: int
    encoder_heads: int
    decoder_layers: int
    decoder_heads: int
    vocabulary: int
    source_positions: int
    target_positions: int
    multilingual: bool
    alignment_heads: tuple[tuple[int, int], ...]
    suppressed: tuple[int, ...] = ()
    suppressed_first: tuple[int, ...] = ()

    @property
    def head_size(self) -> int:
        return self.width // self.decoder_heads

    @property
    def window_samples(self) -> int:
        """Every window is padded to this."""
        return self.source_positions * FRAME_SAMPLES

    @property
    def most_prompt_tokens(self) -> int:
        """Of a text before, so that half of the positions are left to say something new in; openai/whisper takes four
        more and leaves four fewer.
        """
        return self.target_positions // 2 - _LONGEST_START

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises ValueError or TypeError where a key is missing or unknown."""
        raw = json.loads(text)
        for key in ("suppressed", "suppressed_first"):
            raw[key] = tuple(raw[key])
        raw["alignment_heads"] = tuple((layer, head) for layer, head in raw["alignment_heads"])
        return cls(**raw)


def default_alignment_heads(layers: int, heads: int) -> tuple[tuple[int, int], ...]:
    """For a checkpoint that names none: the upper half of the layers, as openai/whisper does, spread over at most 16
    heads, since each costs 6 kB per token and window.
    """
    upper = [(layer, head) for layer in range(layers // 2, layers) for head in range(heads)]
    return tuple(upper[:: -(-len(upper) // _MOST_ALIGNMENT_HEADS)])


def frames_of(samples: int) -> int:
    """Encoder frames that a window reaches into."""
    return -(-samples // FRAME_SAMPLES)


def checked_heads(pairs: Sequence[Sequence[int]], layers: int, heads: int) -> tuple[tuple[int, int], ...]:
    """The pairs of a checkpoint, or the default where it has none. Raises ValueError for a head that is not there."""
    chosen = tuple((int(layer), int(head)) for layer, head in pairs) or default_alignment_heads(layers, heads)
    if any(not (0 <= layer < layers and 0 <= head < heads) for layer, head in chosen):
        raise ValueError(f"alignment_heads {list(chosen)} are not all within {layers} layers of {heads} heads")
    return tuple(sorted(chosen))
