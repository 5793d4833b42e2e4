"""The sizes of the two networks: segmentation-3.0 (H. Bredin, "pyannote.audio 2.1", Interspeech 2023; A. Plaquet and
H. Bredin, "Powerset multi-class cross entropy loss for neural speaker diarization", Interspeech 2023) and CAM++
(H. Wang et al., "CAM++: A fast and efficient network for speaker verification using context-aware masking",
Interspeech 2023).
"""

from typing import Final

from stenod_models.contract import SAMPLE_RATE_HZ

# Segmentation.
CHUNK_SAMPLES: Final = 10 * SAMPLE_RATE_HZ
CHUNK_FRAMES: Final = 589
FRAME_SAMPLES: Final = 270  # from one frame to the next
FIRST_CENTRE_SAMPLES: Final = 495  # the middle of what frame 0 hears, of 991 samples
CHUNK_VOICES: Final = 3
# The speakers of each class, in the order of the classifier: none, one, two at a time.
POWERSET: Final = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))

# Embedding.
MEL_BINS: Final = 80
HOP_SAMPLES: Final = 160
DIMENSIONS: Final = 192
SEGMENT_FRAMES: Final = 100  # of the context that masks a layer, at half the features' rate
BLOCKS: Final = ((12, 1), (24, 2), (16, 2))  # layers and dilation of each dense block
