"""Whisper's two networks in torch: the same arithmetic as encoder_graph.py and decoder_graph.py.

Written on tensors by name: the weights are those of transformers' Whisper. What the decoder does has the same shapes at
every step, so that a step can be captured as a CUDA graph.
"""

from collections.abc import Mapping

import torch
from torch.nn import functional

from stenod_models.families.whisper.architecture import Architecture

Weights = Mapping[str, torch.Tensor]


class Layers:
    """The parts that both networks are made of."""

    def __init__(self, weights: Weights) -> None:
        self.weights = dict(weights)

    def join(self, name: str, parts: str) -> None:
        """Projections of one input, side by side; one without a bias has a bias of zero beside others."""
        matrices = [self.weights[f"{name}.{part}_proj.weight"] for part in parts]
        biases = [
            self.weights.get(f"{name}.{part}_proj.bias", torch.zeros_like(matrix[:, 0]))
            for part, matrix in zip(parts, matrices, strict=True)
        ]
        self.weights[f"{name}.{parts}.weight"] = torch.cat(matrices)
        self.weights[f"{name}.{parts}.bias"] = torch.cat(biases)

    def linear(self, value: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(value, self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias"))

    def norm(self, value: torch.Tensor, name: str) -> torch.Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return functional.layer_norm(value, weight.shape, weight, bias)

    def convolution(self, value: torch.Tensor, name: str, stride: int) -> torch.Tensor:
        kernel, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return functional.gelu(functional.conv1d(value, kernel, bias, stride=stride, padding=1))

    def feed_forward(self, hidden: torch.Tensor, name: str) -> torch.Tensor:
        inner = functional.gelu(self.linear(self.norm(hidden, f"{name}.final_layer_norm"), f"{name}.fc1"))
        return hidden + self.linear(inner, f"{name}.fc2")


class EncoderNetwork:
    def __init__(self, weights: Weights, arch: Architecture) -> None:
        self._arch = arch
        self._layers = Layers(weights)
        for layer in range(arch.encoder_layers):
            self._layers.join(f"encoder.layers.{layer}.self_attn", "qkv")
        for layer in range(arch.decoder_layers):
            self._layers.join(f"decoder.layers.{layer}.encoder_attn", "kv")

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """Features (batch, mels, 2 * frames) in, the decoder's keys and values (layers, 2, batch, heads, frames, head
        size) out.
        """
        arch, layers = self._arch, self._layers
        hidden = layers.convolution(layers.convolution(features, "encoder.conv1", 1), "encoder.conv2", 2)
        hidden = hidden.transpose(1, 2) + layers.weights["encoder.embed_positions.weight"]
        for layer in range(arch.encoder_layers):
            hidden = self._block(hidden, f"encoder.layers.{layer}")
        hidden = layers.norm(hidden, "encoder.layer_norm")
        batch, frames, _width = hidden.shape
        shape = (arch.decoder_layers, 2, batch, arch.decoder_heads, frames, arch.head_size)
        kept = torch.empty(shape, device=hidden.device, dtype=hidden.dtype)
        for layer in range(arch.decoder_layers):
            both = layers.linear(hidden, f"decoder.layers.{layer}.encoder_attn.kv")
            kept[layer] = both.view(batch, frames, 2, arch.decoder_heads, arch.head_size).permute(2, 0, 3, 1, 4)
        return kept

    def _block(self, hidden: torch.Tensor, name: str) -> torch.Tensor:
        batch, frames, width = hidden.shape
        heads = self._arch.encoder_heads
        together = self._layers.linear(
            self._layers.norm(hidden, f"{name}.self_attn_layer_norm"), f"{name}.self_attn.qkv"
        )
        query, key, value = together.view(batch, frames, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        return self._layers.feed_forward(hidden + self._layers.linear(mixed, f"{name}.self_attn.out_proj"), name)


class DecoderNetwork:
    def __init__(self, weights: Weights, arch: Architecture) -> None:
        self._arch = arch
        self._layers = Layers(weights)
        self._embedding = weights["decoder.embed_tokens.weight"]
        self._positions = weights["decoder.embed_positions.weight"]
        self._places = torch.arange(arch.target_positions, device=self._embedding.device)
        self._heads = [
            torch.tensor([head for chosen, head in arch.alignment_heads if chosen == layer], dtype=torch.int64)
            for layer in range(arch.decoder_layers)
        ]
        self._heads = [heads.to(self._embedding.device) for heads in self._heads]
        for layer in range(arch.decoder_layers):
            self._layers.join(f"decoder.layers.{layer}.self_attn", "qkv")

    def __call__(
        self, tokens: torch.Tensor, first: torch.Tensor, cross: torch.Tensor, cache: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens (slots, steps) at the places from `first` (1,) on: float32 logits (slots, vocabulary) behind the last
        one, and its attention (windows, alignment heads, beam, frames).

        `cross` is what the encoder gave of the windows; `cache` (layers, 2, slots, heads, places, head size) takes up
        the tokens' keys and values.
        """
        layers = self._layers
        places = first + self._places[: tokens.shape[1]]
        is_past = self._places[None, : cache.shape[4]] <= places[:, None]
        hidden = self._embedding[tokens] + self._positions[places]
        attention = []
        for layer in range(self._arch.decoder_layers):
            name = f"decoder.layers.{layer}"
            normed = layers.norm(hidden, f"{name}.self_attn_layer_norm")
            hidden = hidden + self._self_attention(normed, name, (places, is_past), cache[layer])
            query = layers.linear(layers.norm(hidden, f"{name}.encoder_attn_layer_norm"), f"{name}.encoder_attn.q_proj")
            mixed, seen = self._cross_attention(query, cross[layer], self._heads[layer])
            hidden = hidden + layers.linear(mixed, f"{name}.encoder_attn.out_proj")
            attention += [seen] if len(self._heads[layer]) else []
            hidden = layers.feed_forward(hidden, name)
        last = layers.norm(hidden[:, -1], "decoder.layer_norm")
        return functional.linear(last, self._embedding).float(), torch.cat(attention, dim=1)

    def _self_attention(
        self, normed: torch.Tensor, name: str, past: tuple[torch.Tensor, torch.Tensor], cache: torch.Tensor
    ) -> torch.Tensor:
        slots, steps, _width = normed.shape
        places, is_past = past
        together = self._layers.linear(normed, f"{name}.self_attn.qkv").view(
            slots, steps, 3, self._arch.decoder_heads, -1
        )
        query, key, value = together.permute(2, 0, 3, 1, 4)
        cache[0].index_copy_(2, places, key)
        cache[1].index_copy_(2, places, value)
        mixed = functional.scaled_dot_product_attention(query, cache[0], cache[1], attn_mask=is_past)
        return self._layers.linear(mixed.transpose(1, 2).flatten(2), f"{name}.self_attn.out_proj")

    def _cross_attention(
        self, query: torch.Tensor, cross: torch.Tensor, chosen: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The hypotheses of a window ask one after the other, as if they were more of its steps."""
        slots, steps, width = query.shape
        windows, size = cross.shape[1], self._arch.head_size
        by_window = query.view(windows, -1, self._arch.decoder_heads, size).transpose(1, 2)
        mixed = functional.scaled_dot_product_attention(by_window, cross[0], cross[1])
        asked = by_window[:, chosen, steps - 1 :: steps].float() * size**-0.5
        seen = (asked @ cross[0][:, chosen].float().transpose(2, 3)).softmax(dim=-1)
        return mixed.transpose(1, 2).reshape(slots, steps, width), seen
