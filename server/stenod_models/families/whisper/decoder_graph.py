"""The decoder: some tokens per hypothesis in (the prompt at first, then one at a time), the likeliest next ones out.

A window has one hypothesis in a greedy search, and as many as the beam is wide in another: hypotheses of a window lie
side by side. So `slots` is windows * beam. The cross-attention of a window is there once, for all its hypotheses.

Inputs:  tokens int64 [slots, steps], total_length int32 [1] (tokens so far with these), last_positions int32 [slots]
         (total - 1 for every one), past_key_{l}/past_value_{l} float [slots, heads, capacity, head_size] (bound to the
         same memory as present_*: a step writes its rows in place), cross_* (inputs only: the encoder's
         outputs, see cross_attention.publish),
         suppressed float [1, vocabulary] (0, or very negative where a token must not be chosen),
         boosts float [1 or slots, 1 or vocabulary] (added for the choice alone: noise, favoured words),
         count int64 [1] (how many next tokens of each slot), wanted int64 [slots, tokens] (tokens to be scored too),
         frames int64 [1] (how many frames of the attention are wanted).
Outputs: next_tokens int64 [slots, count], the likeliest first, log_probabilities float [slots, count] (of those tokens,
         without the boosts), wanted_log_probabilities float [slots, tokens],
         attention float [windows, alignment heads, beam, frames] (of the predicted token; heads by layer),
         logits float [slots, vocabulary] (before suppression; fetched once per window, for its language), present_*.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from stenod_models.export.graph_writer import CONTRIB, FLOAT, INT64, GraphWriter
from stenod_models.export.quantised import matmul, quantised
from stenod_models.families.whisper.architecture import Architecture
from stenod_models.families.whisper.cross_attention import attend
from stenod_models.families.whisper.layers import Layers

_EMBEDDING = "decoder.embed_tokens.weight"


def build_decoder(arch: Architecture, tensors: Mapping[str, npt.NDArray[Any]], precision: str) -> GraphWriter:
    """Raises KeyError for a tensor that is not there."""
    graph = GraphWriter("whisper_decoder")
    layers = Layers(graph, tensors, precision)
    tokens = graph.input("tokens", "int64", ["slots", "steps"])
    graph.input("last_positions", "int32", ["slots"])
    graph.input("total_length", "int32", [1])
    hidden = graph.op("Add", _embedded(layers, tokens), _positions(layers, tokens))
    attention = []
    for layer in range(arch.decoder_layers):
        prefix = f"decoder.layers.{layer}"
        hidden = _self_attention(layers, arch, layer, hidden)
        hidden, probabilities = _cross_attention(layers, arch, layer, hidden)
        heads = [head for chosen, head in arch.alignment_heads if chosen == layer]
        if heads:
            attention.append(graph.op("Gather", _last_step(layers, arch, probabilities), graph.ints(*heads), axis=1))
        hidden = layers.feed_forward(prefix, hidden)
    _predict(layers, arch, hidden)
    _publish_attention(layers, arch, attention)
    return graph


def _embedded(layers: Layers, tokens: str) -> str:
    graph = layers.graph
    table = layers.float32(_EMBEDDING)
    if layers.precision != "int8":
        return graph.op("Gather", layers.weight(_EMBEDDING, table), tokens, axis=0)
    half = graph.weight(_EMBEDDING, table.astype(np.float16))
    return graph.op("Cast", graph.op("Gather", half, tokens, axis=0), to=FLOAT)


def _positions(layers: Layers, tokens: str) -> str:
    graph = layers.graph
    name = "decoder.embed_positions.weight"
    total = graph.op("Cast", "total_length", to=INT64)
    first = graph.op("Sub", total, graph.op("Shape", tokens, start=1, end=2))
    return graph.op("Slice", layers.weight(name, layers.float32(name)), first, total, graph.ints(0))


def _self_attention(layers: Layers, arch: Architecture, layer: int, hidden: str) -> str:
    """Causal; keys and values of earlier tokens stay where they are."""
    graph = layers.graph
    prefix = f"decoder.layers.{layer}"
    normed = layers.rows(layers.norm(f"{prefix}.self_attn_layer_norm", hidden))
    cache: list[int | str] = ["slots", arch.decoder_heads, "capacity", arch.head_size]
    attended = graph.ops(
        "GroupQueryAttention",
        [
            layers.product(normed, *(f"{prefix}.self_attn.{part}_proj" for part in ("q", "k", "v"))),
            "",
            "",
            graph.input(f"past_key_{layer}", layers.state, cache),
            graph.input(f"past_value_{layer}", layers.state, cache),
            "last_positions",
            "total_length",
        ],
        [f"attended_{layer}", f"present_key_{layer}", f"present_value_{layer}"],
        domain=CONTRIB,
        num_heads=arch.decoder_heads,
        kv_num_heads=arch.decoder_heads,
    )[0]
    graph.output_of(f"present_key_{layer}", layers.state, cache)
    graph.output_of(f"present_value_{layer}", layers.state, cache)
    return graph.op("Add", hidden, layers.product(layers.rows(attended), f"{prefix}.self_attn.out_proj"))


def _cross_attention(layers: Layers, arch: Architecture, layer: int, hidden: str) -> tuple[str, str]:
    """Returns the new hidden state and the attention [windows, heads, beam * steps, all frames]: the hypotheses of a
    window ask one after the other, as if they were more of its steps.
    """
    graph = layers.graph
    prefix = f"decoder.layers.{layer}"
    normed = layers.rows(layers.norm(f"{prefix}.encoder_attn_layer_norm", hidden))
    query = layers.product(normed, f"{prefix}.encoder_attn.q_proj", factor=arch.head_size**-0.5)
    windows = graph.op("Shape", f"cross_key_{layer}", start=0, end=1)
    by_window = graph.op("Concat", windows, graph.ints(-1, arch.decoder_heads, arch.head_size), axis=0)
    heads = graph.op("Transpose", graph.op("Reshape", query, by_window), perm=[0, 2, 1, 3])
    found, attention = attend(layers, arch, layer, heads)
    mixed = graph.op("Transpose", found, perm=[0, 2, 1, 3])
    joined = layers.rows(graph.op("Reshape", mixed, graph.op("Shape", hidden)))
    return graph.op("Add", hidden, layers.product(joined, f"{prefix}.encoder_attn.out_proj")), attention


def _last_step(layers: Layers, arch: Architecture, probabilities: str) -> str:
    """[windows, heads, beam, 1, all frames]."""
    graph = layers.graph
    steps = graph.op("Shape", "tokens", start=1, end=2)
    by_step = graph.op("Concat", graph.ints(0, 0, -1), steps, graph.ints(arch.source_positions), axis=0)
    return graph.slice(graph.op("Reshape", probabilities, by_step), 3, -1, np.iinfo(np.int64).max)


def _predict(layers: Layers, arch: Architecture, hidden: str) -> None:
    graph = layers.graph
    last = graph.slice(hidden, 1, -1, np.iinfo(np.int64).max)
    logits = layers.published(_logits(layers, layers.norm("decoder.layer_norm", last)))
    graph.ops("Squeeze", [logits, graph.ints(1)], ["logits"])
    graph.output_of("logits", "float", ["slots", arch.vocabulary])
    allowed = graph.op("Add", "logits", graph.input("suppressed", "float", [1, arch.vocabulary]))
    favoured = graph.op("Add", allowed, graph.input("boosts", "float", ["boosted_slots", "boosted_tokens"]))
    graph.ops("TopK", [favoured, graph.input("count", "int64", [1])], ["best_favoured", "next_tokens"], axis=-1)
    graph.output_of("next_tokens", "int64", ["slots", "count"])
    logs = graph.op("LogSoftmax", allowed, axis=-1)
    wanted = graph.input("wanted", "int64", ["slots", "wanted"])
    for tokens, name, size in (
        ("next_tokens", "log_probabilities", "count"),
        (wanted, "wanted_log_probabilities", "wanted"),
    ):
        graph.ops("GatherElements", [logs, tokens], [name], axis=1)
        graph.output_of(name, "float", ["slots", size])


def _logits(layers: Layers, normed: str) -> str:
    """The embedding, transposed, predicts."""
    graph = layers.graph
    table = layers.float32(_EMBEDDING)
    rows = layers.rows(normed)
    if rows.bytes is not None:
        return matmul(graph, rows.bytes, "decoder.logits", quantised(table.T.astype(np.float64)))
    return graph.op("FusedMatMul", rows.value, layers.weight(_EMBEDDING, table), domain=CONTRIB, transB=1)


def _publish_attention(layers: Layers, arch: Architecture, attention: list[str]) -> None:
    graph = layers.graph
    joined = graph.op("Squeeze", graph.op("Concat", *attention, axis=1), graph.ints(3))
    frames = graph.input("frames", "int64", [1])
    graph.ops("Slice", [layers.published(joined), graph.ints(0), frames, graph.ints(3)], ["attention"])
    graph.output_of("attention", "float", ["windows", len(arch.alignment_heads), "beam", "frames"])
