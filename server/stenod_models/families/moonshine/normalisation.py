"""Layer normalisation with its output quantised by a fixed scale, as both graphs use it."""

from typing import Final

from stenod_models.export.graph_writer import GraphWriter
from stenod_models.export.quantised import QuantisedRows, quantise_fixed
from stenod_models.families.moonshine.activation_limits import ACTIVATION_LIMITS
from stenod_models.families.moonshine.weights import MoonshineWeights

EPSILON: Final = 1e-5


def quantised_norm(graph: GraphWriter, weights: MoonshineWeights, name: str, value: str) -> QuantisedRows:
    scale = graph.weight(f"{name}.weight", weights.floats[f"{name}.weight"])
    normed = graph.op("LayerNormalization", value, scale, axis=-1, epsilon=EPSILON)
    return quantise_fixed(graph, normed, ACTIVATION_LIMITS[name])
