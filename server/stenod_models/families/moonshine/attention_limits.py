"""The largest magnitudes in the decoder's attention, for its constant 8-bit scales.

Keys and values are projections of one layer normalisation, and queries of others, so their range is the model's more
than the recording's: in 45 recordings of other kinds (telephone, noise, ten languages, no speech) no head's limit was
more than 18 % off that of 107 English ones. Maxima of both plus 5 %; what exceeds them is clipped.
"""

from typing import Final

# By layer and head.
KEYS: Final = (
    (4.83, 4.69, 5.53, 4.66, 4.83, 4.85, 5.31, 4.54),
    (5.55, 6.49, 4.93, 10.8, 5.1, 4.79, 8.04, 4.83),
    (13.3, 15.8, 6.18, 6.55, 10.4, 5.04, 9.13, 9.33),
    (16.9, 17.2, 15.7, 12.6, 13.6, 16.2, 12.0, 10.3),
    (19.1, 14.2, 16.2, 17.4, 15.3, 14.9, 13.0, 16.5),
    (16.5, 14.4, 12.9, 17.1, 16.3, 16.4, 16.6, 19.6),
)
# Of the queries divided by the root of the head size.
QUERIES: Final = (
    (1.17, 0.839, 1.36, 1.28, 1.28, 1.07, 1.02, 1.11),
    (1.16, 1.12, 1.25, 1.4, 1.06, 0.95, 1.24, 0.988),
    (1.92, 1.75, 1.46, 1.12, 1.55, 0.941, 1.44, 1.69),
    (2.78, 2.79, 2.61, 2.3, 1.68, 1.86, 2.32, 1.71),
    (2.2, 1.72, 1.99, 2.15, 1.8, 1.66, 2.42, 2.16),
    (1.55, 2.08, 1.49, 1.67, 1.8, 1.54, 1.69, 1.49),
)
# By layer: the heads' values are rounded together where they go next.
VALUES: Final = (2.85, 4.96, 6.58, 8.14, 10.6, 17.3)
# What a row has attended to, by layer: in cross-attention, in units of the values' scale, and among its own tokens.
# The largest of a row is within 1.6 to 3.4 times the median one; behind the feed-forward's gate it is 4 to 22 times.
CROSS_MIXED: Final = (65.0, 98.0, 102.0, 84.0, 103.0, 112.0)
SELF_MIXED: Final = (1.88, 3.27, 3.33, 6.07, 8.86, 6.71)
