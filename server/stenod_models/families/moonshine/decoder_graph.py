"""The decoder step: one token per row in, the next token, its probability and its attention out.

Inputs:  tokens int64 [batch, 1], past_lengths int32 [batch] (tokens already in the cache), total_length int32 [1]
         (past + 1), past_key_{l}/past_value_{l} float [batch, heads, capacity, padded head size] (bound to the same
         memory as present_*: the step writes its row in place), and the encoder's cross_* tensors (inputs only).
Outputs: next_tokens int64 [batch, 1], probabilities float [batch, 1] (of those tokens),
         attention float [batch, alignment heads, 1, frames] (of the predicted token), present_*.

Logits never leave the graph. Row-wise 8-bit products make a row independent of its batch-mates.
"""

from collections.abc import Sequence

import numpy as np

from stenod_models.export.graph_writer import CONTRIB, GraphWriter
from stenod_models.export.quantised import matmul, quantise_rows, side_by_side
from stenod_models.families.moonshine import architecture as arch
from stenod_models.families.moonshine.normalisation import quantised_norm
from stenod_models.families.moonshine.rotary import padded_head_columns, rotary_tables
from stenod_models.families.moonshine.weights import MoonshineWeights


def build_decoder(weights: MoonshineWeights, alignment_heads: Sequence[tuple[int, int]]) -> GraphWriter:
    """`alignment_heads`: (layer, head) pairs whose cross-attention is published."""
    graph = GraphWriter("moonshine_decoder_step")
    hidden = _embed(graph, weights, graph.input("tokens", "int64", ["batch", 1]))
    graph.input("past_lengths", "int32", ["batch"])
    graph.input("total_length", "int32", [1])
    bias = graph.input("cross_bias", "float", ["batch", 1, 1, "frames"])
    attention = []
    for layer in range(arch.LAYERS):
        hidden = _self_attention(graph, weights, layer, hidden)
        hidden, probabilities = _cross_attention(graph, weights, layer, hidden, bias)
        heads = [head for chosen, head in alignment_heads if chosen == layer]
        if heads:
            attention.append(graph.op("Gather", probabilities, graph.ints(*heads), axis=1))
        hidden = _feed_forward(graph, weights, layer, hidden)
    _predict(graph, weights, hidden)
    graph.output(
        graph.op("Concat", *attention, axis=1),
        "attention",
        "float",
        ["batch", len(alignment_heads), 1, "frames"],
    )
    return graph


def _embed(graph: GraphWriter, weights: MoonshineWeights, tokens: str) -> str:
    table = weights.matrices["decoder.embedding"]
    values = graph.op("Gather", graph.weight("decoder.embedding", table.values), tokens, axis=0)
    return graph.op("DequantizeLinear", values, graph.const(table.scale), graph.const(table.zero, np.int8))


def _self_attention(graph: GraphWriter, weights: MoonshineWeights, layer: int, hidden: str) -> str:
    prefix = f"decoder.layers.{layer}"
    columns = padded_head_columns(arch.CACHED_HEAD_SIZE)
    plain = padded_head_columns(arch.CACHED_HEAD_SIZE, rotated=False)
    query, key, value = (weights.matrices[f"{prefix}.self_attn.{part}_proj"] for part in "qkv")
    joined = side_by_side([query.columns(columns), key.columns(columns), value.columns(plain)])
    normed = quantised_norm(graph, weights, f"{prefix}.input_layernorm", hidden)
    cosine, sine = rotary_tables(arch.MAX_TOKENS)
    cache: list[int | str] = ["batch", arch.HEADS, "capacity", arch.CACHED_HEAD_SIZE]
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
        quantise_rows(graph, attended),
        f"{prefix}.self_attn.o_proj",
        weights.matrices[f"{prefix}.self_attn.o_proj"].rows(plain),
    )
    return graph.op("Add", hidden, out)


def _cross_attention(
    graph: GraphWriter, weights: MoonshineWeights, layer: int, hidden: str, bias: str
) -> tuple[str, str]:
    """Returns the new hidden state and the attention [batch, heads, 1, frames].

    With one token per row, [batch, 1, width] and [batch, heads, 1, head_size] are the same memory, so plain matrix
    products need no transposition here.
    """
    prefix = f"decoder.layers.{layer}"
    keys = graph.input(f"cross_key_{layer}", "float", ["batch", arch.HEADS, "frames", arch.HEAD_SIZE])
    values = graph.input(f"cross_value_{layer}", "float", ["batch", arch.HEADS, "frames", arch.HEAD_SIZE])
    normed = quantised_norm(graph, weights, f"{prefix}.post_attention_layernorm", hidden)
    scaled = weights.matrices[f"{prefix}.encoder_attn.q_proj"].scaled(arch.HEAD_SIZE**-0.5)
    query = matmul(graph, normed, f"{prefix}.encoder_attn.q_proj", scaled)
    heads = graph.op("Reshape", query, graph.ints(0, arch.HEADS, 1, arch.HEAD_SIZE))
    # Keys as [frames, head_size]: the product with a transposed matrix reads them once, in order.
    scores = graph.op("Add", graph.op("FusedMatMul", heads, keys, domain=CONTRIB, transB=1), bias)
    probabilities = graph.op("Softmax", scores, axis=-1)
    mixed = graph.op("Reshape", graph.op("MatMul", probabilities, values), graph.ints(0, 1, arch.WIDTH))
    out = matmul(
        graph,
        quantise_rows(graph, mixed),
        f"{prefix}.encoder_attn.o_proj",
        weights.matrices[f"{prefix}.encoder_attn.o_proj"],
    )
    return graph.op("Add", hidden, out), probabilities


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
    normed = quantised_norm(graph, weights, "decoder.norm", hidden)
    logits = matmul(graph, normed, "decoder.logits", weights.matrices["decoder.logits"])
    graph.ops("ArgMax", [logits], ["next_tokens"], axis=-1, keepdims=0)
    graph.output_of("next_tokens", "int64", ["batch", 1])
    softmax = graph.op("Softmax", logits, axis=-1)
    graph.ops("ReduceMax", [softmax, graph.ints(-1)], ["probabilities"], keepdims=0)
    graph.output_of("probabilities", "float", ["batch", 1])
