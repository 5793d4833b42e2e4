"""The features and the FastConformer encoder in torch: the same arithmetic as features.py and encoder_graph.py.

Written on tensors by name rather than as modules: the weights are those of transformers' Parakeet, and half of the
layers would be modules of one line.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from torch.nn import functional

from stenod_models.families.parakeet import features as reference
from stenod_models.families.parakeet.architecture import HOP_SAMPLES, Architecture

Weights = Mapping[str, torch.Tensor]

_MASKED: Final = -1e4  # within half precision; e to this power is nothing
_NORM_EPSILON: Final = 1e-5
_POSITION_BASE: Final = 10_000.0


class TorchFeatures:
    """Log-mel features on a device, in float32."""

    def __init__(self, architecture: Architecture, device: torch.device) -> None:
        self._preemphasis = architecture.preemphasis
        self._window = torch.from_numpy(np.hanning(reference.WINDOW_SAMPLES).astype(np.float32)).to(device)
        self._bands = torch.from_numpy(reference.mel_bands(architecture.mel_bins)).to(device)

    def __call__(self, audio: torch.Tensor, samples: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """int16 audio (batch, samples) with zeros behind the shorter windows: features and counts of frames."""
        floats = audio.float() / reference.FULL_SCALE
        sharpened = torch.cat([floats[:, :1], floats[:, 1:] - self._preemphasis * floats[:, :-1]], dim=1)
        places = torch.arange(audio.shape[1], device=audio.device)
        sharpened = sharpened * (places < samples[:, None])
        half = reference.WINDOW_SAMPLES // 2
        pieces = functional.pad(sharpened, (half, half)).unfold(1, reference.WINDOW_SAMPLES, HOP_SAMPLES)
        pieces = pieces[:, : audio.shape[1] // HOP_SAMPLES]
        spectrum = torch.view_as_real(torch.fft.rfft(pieces * self._window, n=reference.FFT_SAMPLES))
        log_mel = torch.log(spectrum.square().sum(-1) @ self._bands + reference.LOG_GUARD)
        frames = samples // HOP_SAMPLES
        return _normalised(log_mel, frames), frames


def _normalised(features: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    """Each band over the window's own frames; padding is zero."""
    mask = (torch.arange(features.shape[1], device=features.device) < frames[:, None])[:, :, None]
    count = frames.clamp(min=2)[:, None, None]  # a row that only fills the batch has none
    mean = (features * mask).sum(1, keepdim=True) / count
    variance = ((features - mean).square() * mask).sum(1, keepdim=True) / (count - 1)
    return (features - mean) / (variance.sqrt() + reference.DEVIATION_GUARD) * mask


class TorchEncoder:
    """`weights` lie on the device in the precision to compute in."""

    def __init__(self, weights: Weights, architecture: Architecture) -> None:
        self._arch = architecture
        self._weights = dict(weights)
        self._dtype = weights["encoder.subsampling.linear.weight"].dtype
        for layer in range(architecture.layers):
            self._prepare(f"encoder.layers.{layer}")

    def _prepare(self, name: str) -> None:
        """Join the three projections of the attention, and fold the batch normalisation into its convolution."""
        weights, part, conv = self._weights, f"{name}.self_attn", f"{name}.conv"
        weights[f"{part}.qkv.weight"] = torch.cat([weights[f"{part}.{letter}_proj.weight"] for letter in "qkv"])
        if f"{part}.q_proj.bias" in weights:
            weights[f"{part}.qkv.bias"] = torch.cat([weights[f"{part}.{letter}_proj.bias"] for letter in "qkv"])
        norm = {key: weights[f"{conv}.norm.{key}"].float() for key in ("weight", "bias", "running_mean", "running_var")}
        gain = norm["weight"] / torch.sqrt(norm["running_var"] + _NORM_EPSILON)
        bias = weights.get(f"{conv}.depthwise_conv.bias", torch.zeros_like(gain)).float()
        kernel = weights[f"{conv}.depthwise_conv.weight"].float() * gain[:, None, None]
        weights[f"{conv}.folded.weight"] = kernel.to(self._dtype)
        weights[f"{conv}.folded.bias"] = ((bias - norm["running_mean"]) * gain + norm["bias"]).to(self._dtype)

    def __call__(self, features: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        """What the joint network adds to, or a CTC head's logits: (batch, encoded frames, width)."""
        hidden, lengths = self._subsample(features.to(self._dtype), frames)
        mask = torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None]
        bias = torch.zeros_like(mask, dtype=self._dtype).masked_fill(~mask, _MASKED)[:, None, None, :]
        positions = self._positions(hidden.shape[1], hidden.device)
        for layer in range(self._arch.layers):
            hidden = self._block(hidden, f"encoder.layers.{layer}", (positions, bias, mask[:, :, None]))
        if self._arch.kind != "ctc":
            return self._linear(hidden, "encoder_projector")
        return functional.linear(hidden, self._weights["ctc_head.weight"][:, :, 0], self._weights["ctc_head.bias"])

    def _subsample(self, features: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        image = features[:, None]
        for depthwise, pointwise in ((None, 0), (2, 3), (5, 6)):
            if depthwise is None:
                image = self._convolve(image, pointwise, stride=2)
            else:
                image = self._convolve(self._convolve(image, depthwise, stride=2), pointwise, stride=1)
            lengths = (lengths - 1).div(2, rounding_mode="floor") + 1
            mask = torch.arange(image.shape[2], device=image.device) < lengths[:, None]
            image = functional.relu(image) * mask[:, None, :, None]
        hidden = self._linear(image.transpose(1, 2).flatten(2), "encoder.subsampling.linear")
        return (hidden * self._arch.hidden_size**0.5 if self._arch.scale_input else hidden), lengths

    def _convolve(self, image: torch.Tensor, index: int, *, stride: int) -> torch.Tensor:
        kernel = self._weights[f"encoder.subsampling.layers.{index}.weight"]
        bias = self._weights[f"encoder.subsampling.layers.{index}.bias"]
        groups = image.shape[1] // kernel.shape[1]
        return functional.conv2d(image, kernel, bias, stride=stride, padding=(kernel.shape[2] - 1) // 2, groups=groups)

    def _positions(self, frames: int, device: torch.device) -> torch.Tensor:
        size = self._arch.hidden_size
        rates = _POSITION_BASE ** -(torch.arange(0, size, 2, device=device).float() / size)
        angles = torch.arange(frames - 1, -frames, -1, device=device).float()[:, None] * rates
        return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).to(self._dtype)

    def _block(self, hidden: torch.Tensor, name: str, context: tuple[torch.Tensor, ...]) -> torch.Tensor:
        positions, bias, mask = context
        hidden = self._half_step(hidden, name, "feed_forward1")
        hidden = hidden + self._attention(self._norm(hidden, f"{name}.norm_self_att"), name, positions, bias)
        hidden = hidden + self._convolution(self._norm(hidden, f"{name}.norm_conv"), f"{name}.conv", mask)
        return self._norm(self._half_step(hidden, name, "feed_forward2"), f"{name}.norm_out")

    def _half_step(self, hidden: torch.Tensor, name: str, part: str) -> torch.Tensor:
        inner = self._linear(self._norm(hidden, f"{name}.norm_{part}"), f"{name}.{part}.linear1")
        return hidden + 0.5 * self._linear(functional.silu(inner), f"{name}.{part}.linear2")

    def _attention(self, hidden: torch.Tensor, name: str, positions: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        part = f"{name}.self_attn"
        batch, frames, _size = hidden.shape
        heads = self._arch.heads
        query, key, value = self._linear(hidden, f"{part}.qkv").view(batch, frames, 3, heads, -1).permute(2, 0, 3, 1, 4)
        offsets = functional.linear(positions, self._weights[f"{part}.relative_k_proj.weight"])
        columns = offsets.view(1, 2 * frames - 1, heads, -1).permute(0, 2, 3, 1)
        scale = query.shape[-1] ** -0.5
        relative = (query + self._weights[f"{part}.bias_v"][:, None]) * scale @ columns
        mixed = functional.scaled_dot_product_attention(
            query + self._weights[f"{part}.bias_u"][:, None],
            key,
            value,
            attn_mask=_shifted(relative, frames) + bias,
            scale=scale,
        )
        return self._linear(mixed.transpose(1, 2).flatten(2), f"{part}.o_proj")

    def _convolution(self, hidden: torch.Tensor, name: str, mask: torch.Tensor) -> torch.Tensor:
        gated = functional.glu(self._pointwise(hidden, f"{name}.pointwise_conv1"), dim=-1) * mask
        kernel = self._weights[f"{name}.folded.weight"]
        convolved = functional.conv1d(
            gated.transpose(1, 2),
            kernel,
            self._weights[f"{name}.folded.bias"],
            padding=(kernel.shape[2] - 1) // 2,
            groups=kernel.shape[0],
        )
        return self._pointwise(functional.silu(convolved).transpose(1, 2), f"{name}.pointwise_conv2")

    def _pointwise(self, hidden: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(hidden, self._weights[f"{name}.weight"][:, :, 0], self._weights.get(f"{name}.bias"))

    def _linear(self, hidden: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(hidden, self._weights[f"{name}.weight"], self._weights.get(f"{name}.bias"))

    def _norm(self, hidden: torch.Tensor, name: str) -> torch.Tensor:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return functional.layer_norm(hidden, weight.shape, weight, bias, _NORM_EPSILON)


def _shifted(scores: torch.Tensor, frames: int) -> Any:
    """Column j of row i tells of offset i - j afterwards (Transformer-XL, arXiv 1901.02860, appendix B)."""
    batch, heads, rows, columns = scores.shape
    turned = functional.pad(scores, (1, 0)).view(batch, heads, columns + 1, rows)[:, :, 1:]
    return turned.reshape(batch, heads, rows, columns)[..., :frames]
