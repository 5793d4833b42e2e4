"""Numbers of the Moonshine tiny architecture, shared by the graphs and the runtime. Pure arithmetic.

The encoder has three strided convolutions over raw 16 kHz audio (kernels 127, 7, 3; strides 64, 3, 2), so one
encoder frame covers 384 samples. See "Moonshine: Speech Recognition for Live Transcription and Voice Commands"
(Jeffries et al., 2024).
"""

from typing import Final

LAYERS: Final = 6
HEADS: Final = 8
HEAD_SIZE: Final = 36
ROTARY_SIZE: Final = 32  # of HEAD_SIZE; the rest is not rotated
WIDTH: Final = HEADS * HEAD_SIZE
VOCABULARY: Final = 32_768
START_TOKEN: Final = 1
END_TOKEN: Final = 2

FRAME_SAMPLES: Final = 384  # hop between encoder frames
_LEAD_SAMPLES: Final = 832  # what the grouped convolutions read beyond frames * FRAME_SAMPLES
MIN_SAMPLES: Final = 1600  # 0.1 s: below it the model only invents
MASKED: Final = -1e4  # score of a padded frame: exp() of it is exactly 0, and unlike -inf it survives subtraction
MASKED_OFFSET: Final = 1 << 30  # what is taken off the 8-bit score of a padded frame, which is below 2 ** 21


def frames_of(samples: int) -> int:
    """Encoder frames of a window, 0 where it is too short for one."""
    first = (samples - 127) // 64 + 1
    second = (first - 7) // 3 + 1
    return max(0, (second - 3) // 2 + 1)


def padded_samples(frames: int) -> int:
    """Samples the encoder graph wants for `frames` frames: whole groups for each of the three convolutions.

    It reads every sample that influences the frames; up to 62 samples after the last frame are left out.
    """
    return frames * FRAME_SAMPLES + _LEAD_SAMPLES


MAX_TOKENS: Final = 256  # capacity of the token cache: 30 s at 6.5 tokens/s, and margin
VALUE_SIZE: Final = 48  # of a head in cross-attention: its values, a one, and zeros that make the rows whole vectors
CACHED_HEAD_SIZE: Final = 48  # the cache's rows are widened: the fused attention wants a multiple of 16
