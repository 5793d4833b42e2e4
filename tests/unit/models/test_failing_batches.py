"""What becomes of a batch that fails: halved where it does not fit the memory, as ONNX Runtime itself tells it."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
import pytest

from stenod_models.batching import recognise_apart
from stenod_models.export.graph_writer import GraphWriter
from stenod_models.memory_errors import is_out_of_memory


class Machine:
    """Fits `most` windows, as ONNX Runtime and torch tell it; breaks at a window of 13."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.batches: list[list[int]] = []

    def recognise(self, windows: Sequence[int]) -> list[str]:
        self.batches.append(list(windows))
        if len(windows) > self.most:
            exhaust_the_memory_of_onnxruntime()
        if 13 in windows:
            raise RuntimeError("broken")
        return [f"heard {window}" for window in windows]


def failed(window: int, error: Exception) -> str:
    return f"{window} is {error}"


@pytest.mark.parametrize(
    ("most", "batches"), [(8, [5]), (3, [5, 3, 2]), (2, [5, 3, 2, 1, 2]), (1, [5, 3, 2, 1, 1, 1, 2, 1, 1])]
)
def test_a_batch_that_does_not_fit_is_halved_until_it_does(most: int, batches: list[int]) -> None:
    machine = Machine(most)
    found = recognise_apart([1, 2, 3, 4, 5], machine.recognise, failed)
    assert found == [f"heard {window}" for window in (1, 2, 3, 4, 5)]
    assert [len(batch) for batch in machine.batches] == batches


def test_a_window_that_fails_fails_alone() -> None:
    machine = Machine(8)
    assert recognise_apart([1, 13, 2], machine.recognise, failed) == ["heard 1", "13 is broken", "heard 2"]


def test_a_window_that_does_not_fit_alone_fails() -> None:
    found = recognise_apart([1, 2], Machine(0).recognise, failed)
    assert ["Available memory of" in result for result in found] == [True, True]


def test_other_errors_are_none_of_memory() -> None:
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("Failed to allocate memory for requested buffer of size 1"))
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument) as caught:
        onnx_adder().run(None, {"given": np.zeros((2, 2), np.float32)})
    assert not is_out_of_memory(caught.value)


def exhaust_the_memory_of_onnxruntime() -> None:
    """More than the arena has that the adder computes in."""
    onnx_adder().run(None, {"given": np.ones(2**22, np.float32)})


@cache
def onnx_adder() -> onnxruntime.InferenceSession:
    """In an arena of one mebibyte: what fails in it fails as on a full GPU, with ONNX Runtime's own words."""
    arena = onnxruntime.OrtArenaCfg({"max_mem": 2**20, "arena_extend_strategy": 1})
    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    memory = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(memory, arena)
    writer = GraphWriter("adder")
    doubled = writer.op("Add", writer.input("given", "float", ["count"]), "given")
    writer.output(writer.op("Add", doubled, doubled), "taken", "float", ["count"])
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.use_env_allocators", "1")
    with TemporaryDirectory() as folder:
        writer.save(Path(folder) / "adder.onnx")
        return onnxruntime.InferenceSession(f"{folder}/adder.onnx", options, providers=["CPUExecutionProvider"])
