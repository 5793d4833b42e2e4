"""The two networks of a model of voices in PyTorch, written from their papers: what the graphs are compared with.

Names of tensors are those of the published checkpoints.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

BLOCKS = ((12, 1), (24, 2), (16, 2))


class Segmentation(nn.Module):
    """SincNet, four bidirectional LSTM layers, two linear ones, a classifier. (chunks, samples) → logarithms of the
    probabilities of the classes (chunks, frames, 7).
    """

    def __init__(self) -> None:
        super().__init__()
        self.sincnet = _SincNet()
        self.lstm = nn.LSTM(60, 128, num_layers=4, bidirectional=True, batch_first=True)
        self.linear = nn.ModuleList([nn.Linear(256, 128), nn.Linear(128, 128)])
        self.classifier = nn.Linear(128, 7)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        value, _state = self.lstm(self.sincnet(audio[:, None]).transpose(1, 2))
        for linear in self.linear:
            value = functional.leaky_relu(linear(value))
        return functional.log_softmax(self.classifier(value), dim=-1)


class _SincNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wav_norm1d = nn.InstanceNorm1d(1, affine=True)
        self.conv1d = nn.ModuleList([_SincFilters(), nn.Conv1d(80, 60, 5), nn.Conv1d(60, 60, 5)])
        self.norm1d = nn.ModuleList([nn.InstanceNorm1d(width, affine=True) for width in (80, 60, 60)])

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        value = self.wav_norm1d(value)
        for layer, (conv, norm) in enumerate(zip(self.conv1d, self.norm1d, strict=True)):
            value = conv(value)
            value = functional.max_pool1d(value if layer else value.abs(), 3)
            value = functional.leaky_relu(norm(value))
        return value


class _SincFilters(nn.Module):
    """40 band-pass filters and as many a quarter of a period on, each the difference of two ideal low-passes."""

    def __init__(self) -> None:
        super().__init__()
        self.filterbank = nn.Module()
        self.filterbank.low_hz_ = nn.Parameter(torch.linspace(30.0, 7000.0, 40)[:, None])
        self.filterbank.band_hz_ = nn.Parameter(torch.linspace(60.0, 400.0, 40)[:, None])

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        low = 50 + self.filterbank.low_hz_.abs().double()
        high = (low + 50 + self.filterbank.band_hz_.abs().double()).clamp(50, 8000)
        time_s = torch.arange(-125, 126).double() / 16_000
        window = torch.hamming_window(251, periodic=False).double()
        even = 2 * high * torch.sinc(2 * high * time_s) - 2 * low * torch.sinc(2 * low * time_s)
        odd = (torch.cos(2 * torch.pi * low * time_s) - torch.cos(2 * torch.pi * high * time_s)) / (torch.pi * time_s)
        odd[:, 125] = 0.0
        filters = torch.cat([even, odd]) * window / (2 * (high - low).repeat(2, 1))
        return functional.conv1d(value, filters.float()[:, None], stride=10)


class CamPlusPlus(nn.Module):
    """(voices, frames, 80) → (voices, 192)."""

    def __init__(self) -> None:
        super().__init__()
        self.head = _Head()
        channels = 128
        parts: dict[str, nn.Module] = {"tdnn": _module(linear=nn.Conv1d(320, 128, 5, 2, 2, bias=False), norm=128)}
        for place, (layers, dilation) in enumerate(BLOCKS, start=1):
            names = [f"tdnnd{layer}" for layer in range(1, layers + 1)]
            dense = [_Dense(channels + 32 * layer, dilation) for layer in range(layers)]
            parts[f"block{place}"] = nn.ModuleDict(dict(zip(names, dense, strict=True)))
            channels += 32 * layers
            parts[f"transit{place}"] = _module(linear=nn.Conv1d(channels, channels // 2, 1, bias=False), norm=channels)
            channels //= 2
        parts["out_nonlinear"] = nn.ModuleDict({"batchnorm": nn.BatchNorm1d(channels)})
        parts["dense"] = nn.ModuleDict(
            {
                "linear": nn.Conv1d(2 * channels, 192, 1, bias=False),
                "nonlinear": nn.ModuleDict({"batchnorm": nn.BatchNorm1d(192, affine=False)}),
            }
        )
        self.xvector = nn.ModuleDict(parts)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        part: Any = self.xvector
        value = self.head(features.transpose(1, 2)[:, None]).flatten(1, 2)
        value = part["tdnn"]["nonlinear"]["batchnorm"](part["tdnn"]["linear"](value)).relu()
        for place in range(1, len(BLOCKS) + 1):
            for layer in part[f"block{place}"].values():
                value = torch.cat([value, layer(value)], dim=1)
            transit = part[f"transit{place}"]
            value = transit["linear"](transit["nonlinear"]["batchnorm"](value).relu())
        value = part["out_nonlinear"]["batchnorm"](value).relu()
        statistics = torch.cat([value.mean(dim=-1), value.std(dim=-1, correction=1)], dim=1)
        dense = part["dense"]
        embedding: torch.Tensor = dense["nonlinear"]["batchnorm"](dense["linear"](statistics[:, :, None])[:, :, 0])
        return embedding


class _Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32)
        self.layer1 = nn.Sequential(_Residual(2), _Residual(1))
        self.layer2 = nn.Sequential(_Residual(2), _Residual(1))
        self.conv2, self.bn2 = nn.Conv2d(32, 32, 3, (2, 1), 1, bias=False), nn.BatchNorm2d(32)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        value = self.bn1(self.conv1(value)).relu()
        return functional.relu(self.bn2(self.conv2(self.layer2(self.layer1(value)))))


class _Residual(nn.Module):
    def __init__(self, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(32, 32, 3, (stride, 1), 1, bias=False), nn.BatchNorm2d(32)
        self.conv2, self.bn2 = nn.Conv2d(32, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32)
        around: Sequence[nn.Module] = (nn.Conv2d(32, 32, 1, (stride, 1), bias=False), nn.BatchNorm2d(32))
        self.shortcut = nn.Sequential(*(around if stride > 1 else ()))

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        inner = self.bn2(self.conv2(self.bn1(self.conv1(value)).relu()))
        return functional.relu(inner + self.shortcut(value))


class _Dense(nn.Module):
    """A layer whose output is masked by what the segment around a frame, and the whole, sound like."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = nn.ModuleDict({"batchnorm": nn.BatchNorm1d(channels)})
        self.linear1 = nn.Conv1d(channels, 128, 1, bias=False)
        self.nonlinear2 = nn.ModuleDict({"batchnorm": nn.BatchNorm1d(128)})
        self.cam_layer = nn.ModuleDict(
            {
                "linear_local": nn.Conv1d(128, 32, 3, padding=dilation, dilation=dilation, bias=False),
                "linear1": nn.Conv1d(128, 64, 1),
                "linear2": nn.Conv1d(64, 32, 1),
            }
        )

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        value = self.linear1(self.nonlinear1["batchnorm"](value).relu())
        value = self.nonlinear2["batchnorm"](value).relu()
        pieces = [piece.mean(dim=-1, keepdim=True).expand_as(piece) for piece in value.split(100, dim=-1)]
        context = torch.cat(pieces, dim=-1) + value.mean(dim=-1, keepdim=True)
        mask = torch.sigmoid(self.cam_layer["linear2"](self.cam_layer["linear1"](context).relu()))
        grown: torch.Tensor = self.cam_layer["linear_local"](value) * mask
        return grown


def _module(*, linear: nn.Module, norm: int) -> nn.Module:
    nonlinear = nn.ModuleDict({"batchnorm": nn.BatchNorm1d(norm)})
    return nn.ModuleDict({"linear": linear, "nonlinear": nonlinear})


def randomised(network: nn.Module, seed: int) -> dict[str, Any]:
    """Fill a network with weights and statistics that differ from one another; returns them by name, as arrays."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0, generator=generator)
        elif name.endswith("running_mean") or "norm" in name or ".bn" in name:
            tensor.copy_(tensor + 0.2 * torch.randn(tensor.shape, generator=generator))
    network.eval()
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}
