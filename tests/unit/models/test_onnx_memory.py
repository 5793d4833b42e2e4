"""Blocks of a device, and graphs bound to them: what a bound run gives is what an unbound one gives, bit for bit."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenod_models.export.graph_writer import GraphWriter
from stenod_models.onnx_memory import Binding, Block, Blocks, element_type_of
from stenod_models.onnx_sessions import open_session

RANDOM = np.random.default_rng(0)
WEIGHT = RANDOM.normal(0, 1, (16, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> onnxruntime.InferenceSession:
    """A step of a recurrent network: what it was given, and a state of each row."""
    path = tmp_path_factory.mktemp("graph") / "step.onnx"
    writer = GraphWriter("step")
    entry = writer.op("MatMul", writer.input("given", "float", ["rows", 16]), writer.weight("weight", WEIGHT))
    state = writer.op("Tanh", writer.op("Add", entry, writer.input("state", "float", ["rows", 16])))
    writer.output(state, "next_state", "float", ["rows", 16])
    writer.output(writer.op("Softmax", state, axis=-1), "chances", "float", ["rows", 16])
    writer.save(path)
    return open_session(path, 1)


def filled(shape: tuple[int, ...]) -> Block:
    block = Block.empty(shape, np.float32)
    block.numpy()[:] = RANDOM.normal(0, 1, shape)
    return block


def test_a_bound_run_gives_what_an_unbound_one_gives(session: onnxruntime.InferenceSession) -> None:
    states, array = filled((3, 2, 8, 16)), np.zeros((5, 16), np.float32)
    state, expected_state = states[1, 0, :5], states[1, 0, :5].numpy().copy()
    around = states.numpy().copy()
    chances = np.zeros((5, 16), np.float32)
    binding = Binding(session)
    binding.give("given", array)
    binding.give("state", state)
    binding.take("next_state", state)
    binding.take("chances", chances)
    for _step in range(3):
        array[:] = RANDOM.normal(0, 1, array.shape)  # what is bound is read anew
        expected_state, expected_chances = session.run(None, {"given": array, "state": expected_state})
        binding.run()
        np.testing.assert_array_equal(state.numpy(), expected_state)
        np.testing.assert_array_equal(chances, expected_chances)
    around[1, 0, :5] = expected_state
    np.testing.assert_array_equal(states.numpy(), around)  # and nothing beside it was written


@given(st.data())
def test_a_part_of_a_block_is_that_part_of_its_array(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple))
    block = Block.empty(shape, np.int32)
    block.numpy()[:] = np.arange(np.prod(shape)).reshape(shape)
    depth = data.draw(st.integers(1, len(shape)))
    index: list[int | slice] = [data.draw(st.integers(0, size - 1)) for size in shape[:depth]]
    if data.draw(st.booleans()):
        first = data.draw(st.integers(0, shape[depth - 1]))
        index[-1] = slice(first, data.draw(st.integers(first, shape[depth - 1])))
    part = block[tuple(index)]
    np.testing.assert_array_equal(part.numpy(), block.numpy()[tuple(index)])
    assert part.numpy().size == 0 or part.address == part.numpy().ctypes.data


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_chosen_rows_are_gathered_into_memory_of_their_own(dtype: type[np.generic]) -> None:
    block = Block.empty((2, 4, 3), dtype)
    block.numpy()[:] = np.arange(24).reshape(2, 4, 3)
    taken = block.taken([3, 0, 3], axis=1)
    np.testing.assert_array_equal(taken.numpy(), block.numpy()[:, [3, 0, 3]])
    block.numpy()[:] = 0
    assert taken.numpy().any()


def test_memory_is_used_again_and_grows_only_when_it_must() -> None:
    blocks = Blocks(np.float32)
    large = blocks.take("cache", (4, 8))
    assert blocks.take("cache", (2, 16)).address == large.address
    assert blocks.take("cache", (3,)).address == large.address
    assert blocks.take("another", (4, 8)).address != large.address
    grown = blocks.take("cache", (5, 8))
    assert blocks.take("cache", (4, 8)).address == grown.address


def test_the_type_of_a_graph_s_state_is_told(session: onnxruntime.InferenceSession) -> None:
    assert element_type_of(session, "state") is np.float32


def test_a_graph_is_opened_from_memory_too(tmp_path: Path) -> None:
    writer = GraphWriter("identity")
    writer.output(writer.input("given", "float", ["count"]), "taken", "float", ["count"])
    writer.save(tmp_path / "graph.onnx")
    session = open_session((tmp_path / "graph.onnx").read_bytes(), 1)
    np.testing.assert_array_equal(session.run(None, {"given": np.ones(3, np.float32)})[0], np.ones(3))
