"""The decoder step: one token per row in, the next token, its probability and its attention out.

Inputs:  tokens int64 [batch, 1], past_lengths int32 [batch] (tokens already in the cache), total_length int32 [1]
         (the largest of them + 1), past_key_{l}/past_value_{l} float [batch, heads, capacity, padded head size] (bound
         to the same memory as present_*: the step writes its row in place), and the encoder's cross_* tensors.
Outputs: next_tokens int64 [batch, 1], probabilities float [batch, 1] (of those tokens),
         attention float [batch, alignment heads, 1, frames] (weights of the predicted token, the largest 1), present_*.

Logits never leave the graph. Row-wise 8-bit products make a row independent of its batch-mates.

A beam has a graph of its own, so that greedy decoding pays nothing for it. There the tokens and the cache have a slot
for each hypothesis, [slots, …] with slots = batch * beam, while a window's hypotheses share its cross_* tensors:

Inputs:  count int64 [1], wanted int64 [slots, n], and those above
Outputs: best_tokens int64 and best_scores float [slots, count], log-probabilities in descending order,
         wanted_scores float [slots, n], attention float [batch, alignment heads, beam, frames], present_*.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np

from stenod_models.export.graph_writer import CONTRIB, GraphWriter
from stenod_models.export.quantised import matmul, quantise_fixed, quantise_rows, side_by_side
from stenod_models.families.moonshine import architecture as arch
from stenod_models.families.moonshine.attention_limits import CROSS_MIXED, SELF_MIXED
from stenod_models.families.moonshine.cross_attention import attended, queries, take_memory, value_scale
from stenod_models.families.moonshine.normalisation import quantised_norm
from stenod_models.families.moonshine.rotary import padded_head_columns, rotary_tables
from stenod_models.families.moonshine.weights import MoonshineWeights

# Query uint8 [slots, 1, width], layer → the mixed values [slots, 1, width] and the attention.
_Attend: TypeAlias = Callable[[GraphWriter, str, int], tuple[str, str]]
_BLOCK: Final = 256  # tokens of the vocabulary that are looked at together


def build_decoder(weights: MoonshineWeights, alignment_heads: Sequence[tuple[int, int]]) -> GraphWriter:
    """`alignment_heads`: (layer, head) pairs whose cross-attention is published."""
    graph = GraphWriter("moonshine_decoder_step")
    hidden, attention = _layers(graph, weights, alignment_heads, slots="batch", attend=_attend_alone)
    _predict(graph, weights, hidden)
    graph.output(attention, "attention", "float", ["batch", len(alignment_heads), 1, "frames"])
    return graph


def build_beam_decoder(weights: MoonshineWeights, alignment_heads: Sequence[tuple[int, int]]) -> GraphWriter:
    """As build_decoder, for several hypotheses of each window."""
    graph = GraphWriter("moonshine_beam_step")
    hidden, attention = _layers(graph, weights, alignment_heads, slots="slots", attend=_attend_together)
    _rank(graph, weights, hidden)
    graph.output(attention, "attention", "float", ["batch", len(alignment_heads), "beam", "frames"])
    return graph


def _layers(
    graph: GraphWriter,
    weights: MoonshineWeights,
    alignment_heads: Sequence[tuple[int, int]],
    *,
    slots: str,
    attend: _Attend,
) -> tuple[str, str]:
    """Returns the last hidden state and the attention of the alignment heads. `slots` is the name of their number."""
    hidden = _embed(graph, weights, graph.input("tokens", "int64", [slots, 1]))
    graph.input("past_lengths", "int32", [slots])
    graph.input("total_length", "int32", [1])
    attention = []
    for layer in range(arch.LAYERS):
        hidden = _self_attention(graph, weights, layer, hidden, slots)
        hidden, probabilities = _cross_attention(graph, weights, layer, hidden, attend)
        heads = [head for chosen, head in alignment_heads if chosen == layer]
        if heads:
            attention.append(graph.op("Gather", probabilities, graph.ints(*heads), axis=1))
        hidden = _feed_forward(graph, weights, layer, hidden)
    return hidden, graph.op("Concat", *attention, axis=1)


def _embed(graph: GraphWriter, weights: MoonshineWeights, tokens: str) -> str:
    table = weights.matrices["decoder.embedding"]
    values = graph.op("Gather", graph.weight("decoder.embedding", table.values), tokens, axis=0)
    return graph.op("DequantizeLinear", values, graph.const(table.scale), graph.const(table.zero, np.int8))


def _self_attention(graph: GraphWriter, weights: MoonshineWeights, layer: int, hidden: str, slots: str) -> str:
    prefix = f"decoder.layers.{layer}"
    columns = padded_head_columns(arch.CACHED_HEAD_SIZE)
    plain = padded_head_columns(arch.CACHED_HEAD_SIZE, rotated=False)
    query, key, value = (weights.matrices[f"{prefix}.self_attn.{part}_proj"] for part in "qkv")
    joined = side_by_side([query.columns(columns), key.columns(columns), value.columns(plain)])
    normed = quantised_norm(graph, weights, f"{prefix}.input_layernorm", hidden)
    cosine, sine = rotary_tables(arch.MAX_TOKENS)
    cache: list[int | str] = [slots, arch.HEADS, "capacity", arch.CACHED_HEAD_SIZE]
    attended = graph.ops(
        "GroupQueryAttention",
        [
            matmul(graph, normed, f"{prefix}.qkv", joined),
            "",
            "",
            graph.input(f"past_key_{layer}", "float", cache),
            graph.input(f"past_value_{layer}", "float", cache),
            "past_lengths",
            "total_length",
            graph.weight("rotary.cosine", cosine),
            graph.weight("rotary.sine", sine),
        ],
        [f"attended_{layer}", f"present_key_{layer}", f"present_value_{layer}"],
        domain=CONTRIB,
        num_heads=arch.HEADS,
        kv_num_heads=arch.HEADS,
        scale=arch.HEAD_SIZE**-0.5,
        do_rotary=1,
    )[0]
    graph.output_of(f"present_key_{layer}", "float", cache)
    graph.output_of(f"present_value_{layer}", "float", cache)
    out = matmul(
        graph,
        quantise_fixed(graph, attended, SELF_MIXED[layer]),
        f"{prefix}.self_attn.o_proj",
        weights.matrices[f"{prefix}.self_attn.o_proj"].rows(plain),
    )
    return graph.op("Add", hidden, out)


def _cross_attention(
    graph: GraphWriter, weights: MoonshineWeights, layer: int, hidden: str, attend: _Attend
) -> tuple[str, str]:
    """Returns the new hidden state and the attention."""
    prefix = f"decoder.layers.{layer}"
    normed = quantised_norm(graph, weights, f"{prefix}.post_attention_layernorm", hidden)
    mixed, weighted = attend(graph, queries(graph, weights, normed, layer), layer)
    out = matmul(
        graph,
        quantise_fixed(graph, mixed, CROSS_MIXED[layer]),
        f"{prefix}.encoder_attn.o_proj",
        weights.matrices[f"{prefix}.encoder_attn.o_proj"].scaled(value_scale(layer)),
    )
    return graph.op("Add", hidden, out), weighted


def _attend_alone(graph: GraphWriter, query: str, layer: int) -> tuple[str, str]:
    """With one token per row, [batch, 1, width] and [batch, heads, 1, head_size] are the same memory, so plain matrix
    products need no transposition here.
    """
    heads = graph.op("Reshape", query, graph.ints(0, arch.HEADS, 1, arch.HEAD_SIZE))
    mixed, weighted = attended(graph, heads, take_memory(graph, layer), layer)
    return graph.op("Reshape", mixed, graph.ints(0, 1, arch.WIDTH)), weighted


def _attend_together(graph: GraphWriter, query: str, layer: int) -> tuple[str, str]:
    """The hypotheses of a window are rows of one product with its keys, which so are read once for all of them."""
    memory = take_memory(graph, layer)
    batch = graph.op("Shape", memory[0], start=0, end=1)
    shape = graph.op("Concat", batch, graph.ints(-1, arch.HEADS, arch.HEAD_SIZE), axis=0)
    heads = graph.op("Transpose", graph.op("Reshape", query, shape), perm=[0, 2, 1, 3])
    mixed, weighted = attended(graph, heads, memory, layer)
    mixed = graph.op("Transpose", mixed, perm=[0, 2, 1, 3])
    return graph.op("Reshape", mixed, graph.ints(-1, 1, arch.WIDTH)), weighted


def _feed_forward(graph: GraphWriter, weights: MoonshineWeights, layer: int, hidden: str) -> str:
    """Gated: fc2(value * silu(gate))."""
    prefix = f"decoder.layers.{layer}"
    normed = quantised_norm(graph, weights, f"{prefix}.final_layernorm", hidden)
    biases = (weights.floats[f"{prefix}.mlp.{name}.bias"] for name in ("fc1", "fc2"))
    inner = matmul(graph, normed, f"{prefix}.fc1", weights.matrices[f"{prefix}.mlp.fc1"], next(biases))
    value, gate = graph.ops("Split", [inner], 2, axis=-1, num_outputs=2)
    gated = graph.op("Mul", value, graph.op("QuickGelu", gate, domain=CONTRIB, alpha=1.0))
    rows = quantise_rows(graph, gated)
    outer = matmul(graph, rows, f"{prefix}.fc2", weights.matrices[f"{prefix}.mlp.fc2"], next(biases))
    return graph.op("Add", hidden, outer)


def _predict(graph: GraphWriter, weights: MoonshineWeights, hidden: str) -> None:
    logits = _logits(graph, weights, hidden)
    token = _largest(graph, logits)
    graph.ops("GatherElements", [graph.op("Softmax", logits, axis=-1), token], ["probabilities"], axis=1)
    graph.output(token, "next_tokens", "int64", ["batch", 1])
    graph.output_of("probabilities", "float", ["batch", 1])


def _logits(graph: GraphWriter, weights: MoonshineWeights, hidden: str) -> str:
    """[slots, vocabulary]."""
    normed = quantised_norm(graph, weights, "decoder.norm", hidden)
    logits = matmul(graph, normed, "decoder.logits", weights.matrices["decoder.logits"])
    return graph.op("Reshape", logits, graph.ints(0, -1))


def _largest(graph: GraphWriter, logits: str) -> str:
    """Int64 [batch, 1]: the first of the largest. Block by block: a maximum is found by vector instructions, its place
    is not.
    """
    blocks = graph.op("Reshape", logits, graph.ints(0, -1, _BLOCK))
    maxima = graph.op("ReduceMax", blocks, graph.ints(-1), keepdims=0)
    block = graph.op("ArgMax", maxima, axis=-1, keepdims=1)
    chosen = graph.op("GatherND", blocks, block, batch_dims=1)
    place = graph.op("ArgMax", chosen, axis=-1, keepdims=1)
    return graph.op("Add", graph.op("Mul", block, graph.const(_BLOCK, np.int64)), place)


def _rank(graph: GraphWriter, weights: MoonshineWeights, hidden: str) -> None:
    scores = graph.op("LogSoftmax", _logits(graph, weights, hidden), axis=-1)
    graph.ops("TopK", [scores, graph.input("count", "int64", [1])], ["best_scores", "best_tokens"], axis=-1)
    graph.output_of("best_scores", "float", ["slots", "count"])
    graph.output_of("best_tokens", "int64", ["slots", "count"])
    wanted = graph.input("wanted", "int64", ["slots", "wanted"])
    graph.ops("GatherElements", [scores, wanted], ["wanted_scores"], axis=1)
    graph.output_of("wanted_scores", "float", ["slots", "wanted"])
