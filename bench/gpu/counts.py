"""Operations, bytes and memory of Parakeet and Whisper, counted from their shapes. Pure.

An operation is an addition or a multiplication of a matrix product; what is done element by element is left out, as it
is in every published peak. Bytes are those that must cross the memory bus however well everything is fused: weights
once per pass over a batch, and what is kept from step to step. Memory is what lies in it at the worst moment, unfused,
as torch and ONNX Runtime hold it.
"""

from dataclasses import dataclass
from typing import Final

SAMPLE_RATE_HZ: Final = 16_000
BYTES: Final = {"fp32": 4, "bf16": 2, "fp16": 2, "int8": 1}
_GIB: Final = 2**30


@dataclass(frozen=True, slots=True)
class Work:
    """Of one batch through one stage."""

    operations: float
    bytes_moved: float

    def least_s(self, peak_flops: float, bandwidth_bytes_s: float) -> float:
        """The roofline: no machine with these peaks is faster."""
        return max(self.operations / peak_flops, self.bytes_moved / bandwidth_bytes_s)


@dataclass(frozen=True, slots=True)
class Memory:
    """In bytes. `state` is kept from step to step, `activations` are the largest that live at once."""

    weights: float
    state: float
    activations: float

    @property
    def total(self) -> float:
        return self.weights + self.state + self.activations

    def in_gib(self) -> tuple[float, float, float, float]:
        return self.weights / _GIB, self.state / _GIB, self.activations / _GIB, self.total / _GIB


@dataclass(frozen=True, slots=True)
class ParakeetShape:
    """Of a TDT model; the defaults are nvidia/parakeet-tdt-0.6b-v3's."""

    hidden: int = 1024
    layers: int = 24
    heads: int = 8
    inner: int = 4096
    kernel: int = 9
    mels: int = 128
    channels: int = 256
    vocabulary: int = 8193
    durations: int = 5
    predictor: int = 640
    predictor_layers: int = 2

    @property
    def block_weights(self) -> int:
        feeds = 4 * self.hidden * self.inner
        attention = 5 * self.hidden**2  # with that of the positions
        convolution = 3 * self.hidden**2 + self.kernel * self.hidden
        return feeds + attention + convolution

    @property
    def weights(self) -> int:
        subsampling = 9 * self.channels * 3 + 2 * self.channels**2 + self.channels * self.mels // 8 * self.hidden
        return self.layers * self.block_weights + subsampling + self.hidden * self.predictor + self.decoder_weights

    @property
    def decoder_weights(self) -> int:
        """Read at every step: the prediction network, its projection and the head; of the embedding, rows only."""
        lstm = self.predictor_layers * 8 * self.predictor**2
        head = (self.vocabulary + self.durations) * self.predictor
        return lstm + self.predictor**2 + head + self.vocabulary * self.predictor

    def encoder(self, rows: int, samples: int, precision: str) -> Work:
        """Rows that are padded to this many samples."""
        frames = self.frames(samples)
        per_frame = 4 * self.hidden * self.inner + 4 * self.hidden**2 + 3 * self.hidden**2 + self.kernel * self.hidden
        scores = 2 * frames * self.hidden + 2 * frames * self.hidden  # content and values, and twice as many positions
        block = 2 * rows * frames * (per_frame + scores) + 2 * 2 * frames * self.hidden**2
        operations = self.layers * block + rows * self._subsampling(samples)
        operations += 2 * rows * frames * self.hidden * self.predictor
        edges = rows * samples * 2 + rows * frames * self.predictor * BYTES[precision]
        weights = self.weights - self.decoder_weights
        return Work(operations, weights * BYTES[precision] + edges)

    def decoder(self, rows: int, *, looks: int, labels: int, precision: str) -> Work:
        """`looks` and `labels` are of the row that needs most of them: all rows step with it."""
        head = (self.vocabulary + self.durations) * self.predictor
        step = self.decoder_weights - self.vocabulary * self.predictor - head
        operations = 2 * rows * (looks * head + labels * step)
        return Work(operations, BYTES[precision] * (looks * head + labels * step))

    def memory(self, rows: int, samples: int, precision: str) -> Memory:
        size = BYTES[precision]
        frames, pictures = self.frames(samples), samples // 160
        image = self.channels * (pictures // 2) * (self.mels // 2)  # the first convolution's output: relu, mask
        spectrum = pictures * (400 + 257 * 3 + self.mels * 3) * 4 / size  # in 32 bits
        scores = self.heads * frames * (2 * frames * 2 + frames * 2)  # by position, shifted, with the mask
        block = 4 * frames * self.hidden + scores + 3 * frames * self.hidden
        feed = frames * (2 * self.inner + 3 * self.hidden)
        activations = rows * max(3 * image, spectrum, block, feed) * size
        state = rows * (frames * self.predictor + 2 * self.predictor_layers * self.predictor) * size
        labels = 3 * 8 * rows * frames * 10
        return Memory(self.weights * size, state + labels, activations)

    @staticmethod
    def frames(samples: int) -> int:
        return -(-(samples // 160) // 8)

    def _subsampling(self, samples: int) -> float:
        rows, columns, operations = samples // 160, self.mels, 0
        for stage in range(3):
            rows, columns = -(-rows // 2), -(-columns // 2)
            operations += 2 * rows * columns * self.channels * 9
            if stage:
                operations += 2 * rows * columns * self.channels**2
        return operations + 2 * rows * columns * self.channels * self.hidden


@dataclass(frozen=True, slots=True)
class WhisperShape:
    """The defaults are openai/whisper-large-v3-turbo's."""

    width: int = 1280
    encoder_layers: int = 32
    decoder_layers: int = 4
    heads: int = 20
    mels: int = 128
    vocabulary: int = 51_866
    frames: int = 1500
    positions: int = 448

    @property
    def encoder_weights(self) -> int:
        return self.encoder_layers * 12 * self.width**2 + 3 * self.width * (self.mels + self.width)

    @property
    def decoder_weights(self) -> int:
        """Read at every step; keys and values of the cross-attention are computed once, beside the encoder."""
        return self.decoder_layers * 14 * self.width**2 + self.vocabulary * self.width

    @property
    def cross_weights(self) -> int:
        return self.decoder_layers * 2 * self.width**2

    @property
    def weights(self) -> int:
        return self.encoder_weights + self.decoder_weights + self.cross_weights

    def encoder(self, rows: int, precision: str) -> Work:
        products = self.encoder_layers * 12 * self.width**2 + self.cross_weights
        scores = self.encoder_layers * 2 * self.frames * self.width
        first = 2 * 3 * self.mels * self.width + 3 * self.width**2  # at 3000 frames, then at 1500
        operations = 2 * rows * self.frames * (products + scores + first)
        kept = rows * self._cross_size
        weights = self.encoder_weights + self.cross_weights
        return Work(operations, BYTES[precision] * (weights + kept + rows * self.mels * 2 * self.frames))

    def decoder(self, rows: int, steps: int, precision: str) -> Work:
        """Every step reads the weights, the cross-attention's keys and values, and those of the tokens so far."""
        own = self.decoder_layers * 2 * self.width * (steps / 2)
        crossed = self.decoder_layers * 2 * self.frames * self.width
        operations = 2 * rows * steps * (self.decoder_weights + crossed + own)
        moved = steps * (self.decoder_weights + rows * (self._cross_size + own))
        return Work(operations, BYTES[precision] * moved)

    def memory(self, rows: int, precision: str) -> Memory:
        size = BYTES[precision]
        caches = self._cross_size + self.decoder_layers * 2 * self.positions * self.width
        block = self.frames * (2 * 4 * self.width + 3 * self.width)
        start = 2 * self.frames * self.width * 3
        logits = self.vocabulary * 3 * 4 / size
        return Memory(self.weights * size, rows * caches * size, rows * max(block, start, logits) * size)

    @property
    def _cross_size(self) -> int:
        return self.decoder_layers * 2 * self.frames * self.width
