"""Writes the prediction network (an LSTM over the tokens said so far) and the joint network as ONNX graphs.

Graves, "Sequence Transduction with Recurrent Neural Networks", arXiv 1211.3711; the duration head of Xu et al., arXiv
2304.06795. Two graphs, because label looping runs the one per label and the other per frame looked at. Tokens,
durations and probabilities leave the joint graph; its logits do where phrases or a beam ask for them.
"""

from typing import Final

import numpy as np

from stenod_models.export.graph_writer import GraphWriter
from stenod_models.families.parakeet.architecture import Architecture
from stenod_models.families.parakeet.encoder_graph import best_probability
from stenod_models.families.parakeet.graph_parts import Linear, Weights

TOKENS: Final = "tokens"
HIDDEN: Final = "hidden"  # float32 (layers, rows, size)
CELL: Final = "cell"  # float32 (layers, rows, size)
PREDICTED: Final = "predicted"  # float32 (rows, size)
NEXT_HIDDEN: Final = "next_hidden"
NEXT_CELL: Final = "next_cell"
ENCODED: Final = "encoded"  # float32 (rows, size): one frame of each row
DURATIONS: Final = "durations"
PROBABILITIES: Final = "probabilities"
SCORES: Final = "scores"  # float32 (rows, tokens + durations): logits


def build_predictor(weights: Weights, architecture: Architecture) -> GraphWriter:
    """`weights` carries the names of transformers' Parakeet models."""
    graph = GraphWriter("parakeet_predictor")
    linear = Linear(graph, is_quantised=architecture.precision == "int8")
    size, layers = architecture.predictor_size, architecture.predictor_layers
    tokens = graph.input(TOKENS, "int64", ["rows"])
    states = [graph.input(name, "float", [layers, "rows", size]) for name in (HIDDEN, CELL)]
    value = graph.op("Gather", graph.weight("embedding", weights["decoder.embedding.weight"]), tokens, axis=0)
    following: list[list[str]] = [[], []]
    for layer in range(layers):
        slices = (graph.slice(state, 0, layer, layer + 1) for state in states)
        hidden, cell = (graph.op("Squeeze", one, graph.ints(0)) for one in slices)
        value, cell = _lstm_cell(linear, weights, layer, (value, hidden, cell))
        for kept, state in zip(following, (value, cell), strict=True):
            kept.append(graph.op("Unsqueeze", state, graph.ints(0)))
    for name, kept in zip((NEXT_HIDDEN, NEXT_CELL), following, strict=True):
        graph.output(graph.op("Concat", *kept, axis=0), name, "float", [layers, "rows", size])
    name = "decoder.decoder_projector"
    projected = linear(value, name, weights[f"{name}.weight"].T, weights[f"{name}.bias"])
    graph.output(projected, PREDICTED, "float", ["rows", size])
    return graph


def _lstm_cell(linear: Linear, weights: Weights, layer: int, state: tuple[str, str, str]) -> tuple[str, str]:
    """One step: (input, hidden, cell) to (hidden, cell). Gates lie in torch's order: input, forget, cell, output."""
    graph = linear.graph
    value, hidden, cell = state
    name = f"decoder.lstm.{{}}_l{layer}"
    matrix = np.concatenate([weights[name.format(f"weight_{part}")].T for part in ("ih", "hh")])
    bias = weights[name.format("bias_ih")] + weights[name.format("bias_hh")]
    gates = linear(graph.op("Concat", value, hidden, axis=1), f"lstm.{layer}", matrix, bias)
    entry, forget, change, leave = graph.ops("Split", [gates], 4, axis=1, num_outputs=4)
    kept = graph.op("Mul", graph.op("Sigmoid", forget), cell)
    added = graph.op("Mul", graph.op("Sigmoid", entry), graph.op("Tanh", change))
    following = graph.op("Add", kept, added)
    return graph.op("Mul", graph.op("Sigmoid", leave), graph.op("Tanh", following)), following


def build_joint(weights: Weights, architecture: Architecture) -> GraphWriter:
    graph = GraphWriter("parakeet_joint")
    linear = Linear(graph, is_quantised=architecture.precision == "int8")
    size = architecture.predictor_size
    parts = [graph.input(name, "float", ["rows", size]) for name in (ENCODED, PREDICTED)]
    mixed = graph.op("Relu", graph.op("Add", *parts))
    logits = linear(mixed, "joint", weights["joint.head.weight"].T, weights["joint.head.bias"])
    graph.output(logits, SCORES, "float", ["rows", weights["joint.head.bias"].shape[0]])
    tokens = graph.slice(logits, 1, 0, architecture.vocabulary_size)
    graph.output(graph.op("ArgMax", tokens, axis=1, keepdims=0), TOKENS, "int64", ["rows"])
    graph.output(best_probability(graph, tokens), PROBABILITIES, "float", ["rows"])
    if architecture.kind == "tdt":
        head = graph.slice(logits, 1, architecture.vocabulary_size, np.iinfo(np.int64).max)
        choice = graph.op("ArgMax", head, axis=1, keepdims=0)
        durations = graph.op("Gather", graph.const(architecture.durations, np.int64), choice, axis=0)
        graph.output(durations, DURATIONS, "int64", ["rows"])
    return graph
