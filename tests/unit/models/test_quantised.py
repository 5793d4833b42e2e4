"""8-bit rows and what they stand for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from stenod_models.export.graph_writer import GraphWriter
from stenod_models.export.quantised import (
    QuantisedRows,
    matmul,
    quantise_fixed,
    quantise_many_rows,
    quantise_rows,
    quantised,
)
from stenod_models.onnx_sessions import open_session

Array = npt.NDArray[Any]
Quantise = Callable[[GraphWriter, str], QuantisedRows]

WIDTH = 24
LEAST = -0.2


def levels(value: Array, quantise: Quantise, folder: Path) -> Array:
    """What the rows stand for: their product with the unit matrix."""
    graph = GraphWriter("rows")
    rows = quantise(graph, graph.input("value", "float", ["rows", WIDTH]))
    unit = matmul(graph, rows, "unit", quantised(np.eye(WIDTH)))
    graph.output(unit, "product", "float", ["rows", WIDTH])
    graph.save(folder / "rows.onnx")
    (found,) = open_session(folder / "rows.onnx", 1).run(None, {"value": value})
    return np.asarray(found)


def above_least(rows: int) -> Array:
    """Rows of very different sizes, hardly anything below 0."""
    random = np.random.default_rng(rows)
    sizes = 10.0 ** random.uniform(-2, 2, (rows, 1))
    return np.maximum(random.normal(0, 1, (rows, WIDTH)) * sizes, LEAST).astype(np.float32)


@pytest.mark.parametrize("quantise", [quantise_rows, quantise_many_rows])
@pytest.mark.parametrize("rows", [1, 2, 37])
def test_each_row_has_all_levels_for_itself(quantise: Quantise, rows: int, tmp_path: Path) -> None:
    random = np.random.default_rng(rows)
    value = (random.normal(0, 1, (rows, WIDTH)) * 10.0 ** random.uniform(-3, 3, (rows, 1))).astype(np.float32)
    step = np.abs(value).max(axis=1, keepdims=True) / 127
    assert (np.abs(levels(value, quantise, tmp_path) - value) <= 0.51 * step).all()


@pytest.mark.parametrize("rows", [1, 2, 37])
def test_rows_that_hardly_go_below_zero_have_finer_levels(rows: int, tmp_path: Path) -> None:
    value = above_least(rows)
    found = levels(value, lambda graph, name: quantise_many_rows(graph, name, LEAST), tmp_path)
    step = np.maximum(value.max(axis=1, keepdims=True) / (255 - 16), -LEAST / 16)
    assert (np.abs(found - value) <= 0.51 * step).all()


@pytest.mark.parametrize("quantise", [quantise_rows, quantise_many_rows])
def test_a_row_of_zeros_stays_one(quantise: Quantise, tmp_path: Path) -> None:
    assert not levels(np.zeros((3, WIDTH), np.float32), quantise, tmp_path).any()


def test_a_constant_scale_spans_what_may_come(tmp_path: Path) -> None:
    value = np.linspace(-0.3, 6.0, 2 * WIDTH, dtype=np.float32).reshape(2, WIDTH)
    found = levels(value, lambda graph, name: quantise_fixed(graph, name, 5.0, LEAST), tmp_path)
    step = (5.0 - LEAST) / 255
    assert (np.abs(found - np.clip(value, LEAST, 5.0)) <= 1.01 * step).all()
    assert not levels(
        np.zeros((1, WIDTH), np.float32), lambda graph, name: quantise_fixed(graph, name, 5.0, LEAST), tmp_path
    ).any()
