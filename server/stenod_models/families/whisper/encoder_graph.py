"""The encoder graph: log-mel features in, the cross-attention keys and values of every decoder layer out.

Inputs:  features float [batch, mels, 2 * frames], the whole padded window
Outputs: cross_key_{layer}, cross_value_{layer} and what belongs to them: see cross_attention.publish

They are computed here once per window, so that no decoding step computes, moves or gives them again.
"""

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from stenod_models.export.graph_writer import CONTRIB, GraphWriter
from stenod_models.families.whisper.architecture import Architecture
from stenod_models.families.whisper.cross_attention import publish
from stenod_models.families.whisper.layers import Layers


def build_encoder(arch: Architecture, tensors: Mapping[str, npt.NDArray[Any]], precision: str) -> GraphWriter:
    """Raises KeyError for a tensor that is not there."""
    graph = GraphWriter("whisper_encoder")
    layers = Layers(graph, tensors, precision)
    features = graph.input("features", "float", ["batch", arch.mels, 2 * arch.source_positions])
    convolved = layers.convolution(
        "encoder.conv2", layers.convolution("encoder.conv1", layers.computed(features), 1), 2
    )
    name = "encoder.embed_positions.weight"
    positions = layers.weight(name, layers.float32(name))
    hidden = graph.op("Add", graph.op("Transpose", convolved, perm=[0, 2, 1]), positions)
    for layer in range(arch.encoder_layers):
        hidden = _layer(layers, f"encoder.layers.{layer}", hidden, arch.encoder_heads)
    found = layers.rows(layers.norm("encoder.layer_norm", hidden))
    for layer in range(arch.decoder_layers):
        publish(layers, arch, layer, found)
    return graph


def _layer(layers: Layers, prefix: str, hidden: str, heads: int) -> str:
    normed = layers.rows(layers.norm(f"{prefix}.self_attn_layer_norm", hidden))
    parts = [layers.product(normed, f"{prefix}.self_attn.{part}_proj") for part in ("q", "k", "v")]
    attended = layers.graph.op("MultiHeadAttention", *parts, domain=CONTRIB, num_heads=heads)
    out = layers.product(layers.rows(attended), f"{prefix}.self_attn.out_proj")
    return layers.feed_forward(prefix, layers.graph.op("Add", hidden, out))
