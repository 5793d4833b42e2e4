"""ONNX Runtime's sessions: on a GPU or not at all, never on a CPU in silence."""

from pathlib import Path

import onnxruntime
import pytest

from stenod_models import onnx_sessions
from stenod_models.device import CPU, Device, UnavailableDeviceError
from stenod_models.export.graph_writer import GraphWriter

GPU = Device("cuda", index=1)

pytestmark = pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this onnxruntime has a GPU"
)


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    writer = GraphWriter("identity")
    writer.output(writer.input("given", "float", ["count"]), "taken", "float", ["count"])
    writer.save(tmp_path / "identity.onnx")
    return tmp_path / "identity.onnx"


def test_a_graph_for_a_gpu_is_refused_where_onnxruntime_has_none(graph: Path) -> None:
    with pytest.raises(UnavailableDeviceError, match=r"no CUDAExecutionProvider: install onnxruntime-gpu"):
        onnx_sessions.open_session(graph, 1, GPU)


def test_a_provider_that_onnxruntime_leaves_out_is_refused(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    available = [*onnxruntime.get_available_providers(), "CUDAExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
    with (
        pytest.warns(UserWarning, match="CUDAExecutionProvider"),
        pytest.raises(UnavailableDeviceError, match=r"could not start CUDAExecutionProvider on GPU 1"),
    ):
        onnx_sessions.open_session(graph, 1, GPU)


def test_a_graph_for_a_cpu_opens_on_it(graph: Path) -> None:
    assert onnx_sessions.open_session(graph, 1, CPU).get_providers() == ["CPUExecutionProvider"]


def test_a_gpu_is_taken_by_its_index_and_within_its_limit(tmp_path: Path) -> None:
    limited = Device("cuda", index=3, memory_limit_bytes=2**30, uses_tensorrt=True)
    (first, tensorrt), (second, cuda) = onnx_sessions.providers(limited, tmp_path)
    assert (first, second) == ("TensorrtExecutionProvider", "CUDAExecutionProvider")
    assert tensorrt["device_id"] == cuda["device_id"] == "3"
    assert cuda["gpu_mem_limit"] == str(2**30)
    assert tensorrt["trt_engine_cache_path"] == str(tmp_path)
    ((_name, unlimited),) = onnx_sessions.providers(GPU, tmp_path)
    assert "gpu_mem_limit" not in unlimited
    assert unlimited["arena_extend_strategy"] == "kSameAsRequested"
