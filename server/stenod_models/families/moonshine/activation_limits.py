"""The largest magnitude of each layer normalisation's output, for its fixed 8-bit scale.

A normalised row hardly varies in range: over 42 English recordings (read, spontaneous, telephone) the largest value
of a row stayed within 1.1 to 2 times the median one. So a constant scale, which spares three passes per product,
costs less than a bit. Measured maxima plus 5 %; what exceeds them is clipped.
"""

from typing import Final

_PER_LAYER: Final = {
    "encoder.input_layernorm": (9.6, 8.7, 7.4, 5.5, 9.2, 9.5),
    "encoder.post_attention_layernorm": (7.7, 8.9, 8.1, 10.6, 9.8, 13.5),
    "decoder.input_layernorm": (2.8, 7.1, 7.0, 6.6, 6.6, 8.2),
    "decoder.post_attention_layernorm": (10.5, 11.2, 9.4, 8.5, 9.0, 10.6),
    "decoder.final_layernorm": (1.4, 2.3, 3.3, 3.1, 4.3, 6.2),
}

ACTIVATION_LIMITS: Final = {
    f"{kind.split('.')[0]}.layers.{layer}.{kind.split('.')[1]}": limit
    for kind, limits in _PER_LAYER.items()
    for layer, limit in enumerate(limits)
} | {"encoder.layer_norm": 7.9, "decoder.norm": 6.9}

# Behind the activation function in the middle of each layer's feed-forward.
ENCODER_GELU_LIMITS: Final = (7.8, 8.1, 8.4, 14.5, 18.5, 45.1)

# Queries (rotated), keys (rotated) and values of the encoder: by layer, by head.
ENCODER_ATTENTION_LIMITS: Final = (
    (
        (10.3, 9.1, 9.6, 9.3, 8.1, 9.5, 7.5, 9.4),
        (11.0, 10.5, 9.1, 14.2, 9.8, 10.8, 8.5, 9.6),
        (5.4, 4.2, 4.9, 7.1, 5.6, 5.2, 6.0, 5.3),
    ),
    (
        (7.8, 7.8, 8.5, 8.2, 7.8, 6.5, 5.6, 7.6),
        (10.1, 12.9, 8.9, 8.9, 10.0, 10.0, 9.3, 10.2),
        (5.9, 8.7, 5.4, 5.6, 7.2, 10.6, 7.6, 5.9),
    ),
    (
        (5.2, 5.3, 5.8, 9.0, 6.5, 6.5, 6.9, 7.2),
        (10.7, 10.6, 9.6, 14.3, 11.0, 7.0, 14.4, 14.6),
        (8.4, 7.6, 9.1, 11.2, 11.7, 9.7, 8.6, 9.7),
    ),
    (
        (5.8, 6.8, 10.6, 5.8, 10.6, 8.2, 5.6, 6.8),
        (8.0, 13.8, 7.5, 7.8, 16.6, 11.6, 12.0, 7.4),
        (9.5, 10.3, 8.2, 11.3, 11.6, 8.7, 7.7, 9.1),
    ),
    (
        (7.3, 6.3, 5.4, 11.5, 6.4, 7.5, 7.7, 7.1),
        (14.0, 8.0, 11.2, 9.0, 13.2, 12.7, 14.2, 10.6),
        (18.0, 13.0, 18.1, 11.3, 29.8, 13.2, 11.7, 13.9),
    ),
    (
        (7.6, 7.0, 8.1, 6.1, 8.6, 7.2, 9.6, 10.6),
        (9.7, 12.9, 10.8, 10.3, 10.5, 8.3, 8.6, 9.0),
        (20.0, 26.2, 30.5, 26.0, 26.3, 19.0, 18.8, 16.3),
    ),
)
