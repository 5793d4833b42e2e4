"""What `stenod models add --device cuda` writes, in a real Triton: as it is written it runs on a GPU or not at all;
placed on a CPU it says what an entry for a CPU says.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file  # noqa: E402 - behind the guards

from stenod_models.contract import RecognitionOptions  # noqa: E402
from stenod_models.export import catalogue  # noqa: E402
from stenod_models.export.build_request import BuildRequest  # noqa: E402
from stenod_models.export.pbtxt import profile_of  # noqa: E402
from stenod_models.families.registry import load_recogniser  # noqa: E402
from stenod_server.engine.embedded import EmbeddedSettings, EmbeddedTriton  # noqa: E402
from stenod_server.errors import TritonFailed  # noqa: E402
from stenod_server.ports import RecognitionRequest  # noqa: E402
from tests.support import parakeet_checkpoints, whisper_checkpoints  # noqa: E402
from tests.support.parakeet_checkpoints import window_of  # noqa: E402
from tests.support.triton import require_triton  # noqa: E402

pytestmark = [
    pytest.mark.triton,
    pytest.mark.filterwarnings("ignore"),  # torch and transformers warn of their own doings
    pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
]

MODELS = ("parakeet", "whisper")
WINDOWS = [window_of(1.74, 9), window_of(1.68, 8)]
# Of a Triton that sees a GPU which what the model runs on does not see.
_TOLD_OF_A_GPU = """
from stenod_models import serving


class TritonPythonModel(serving.TritonPythonModel):
    def initialize(self, args):
        super().initialize({**args, "model_instance_kind": "GPU"})
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models directory with each model as it is built for a GPU, in 16 bits, and for a CPU, in 32 bits, `…-cpu`."""
    root = tmp_path_factory.mktemp("gpu")
    parakeet_checkpoints.make_checkpoint(root / "parakeet", parakeet_checkpoints.Shape("tdt", seed=0))
    (root / "whisper").mkdir()
    model = whisper_checkpoints.make_model(whisper_checkpoints.Shape(), seed=1, sharpness=4.0)
    whisper_checkpoints.save_checkpoint(model, root / "whisper")
    for name in MODELS:
        _round(root / name / "model.safetensors")
        _add(f"{name}-cpu", root, BuildRequest(source=str(root / name)))
        _add(name, root, BuildRequest(source=str(root / name), device="cuda"))
    return root / "models"


def _round(weights: Path) -> None:
    """To what 16 bits can hold, so that precisions differ in what they compute alone."""
    rounded = {name: value.bfloat16().to(value.dtype) for name, value in load_file(weights).items()}
    save_file(rounded, weights, {"format": "pt"})


def _add(name: str, root: Path, request: BuildRequest) -> None:
    catalogue.add(name, root / "models", progress=lambda _phase, _done: None, request=request)


def _on_a_cpu(built: Path, models_dir: Path, *names: str) -> None:
    """Copy the entries, with nothing changed but where they are placed."""
    for name in names:
        shutil.copytree(built / name, models_dir / name)
        config = models_dir / name / "config.pbtxt"
        written = config.read_text()
        assert "kind: KIND_GPU" in written
        config.write_text(written.replace("kind: KIND_GPU", "kind: KIND_CPU"))


@asynccontextmanager
async def _triton(root: Path, models_dir: Path, *names: str) -> AsyncIterator[EmbeddedTriton]:
    require_triton()
    triton = EmbeddedTriton(EmbeddedSettings(data_dir=root / "data", models_dir=models_dir, models=names))
    await triton.start()
    try:
        yield triton
    finally:
        await triton.stop()


def _said_on_a_cpu(entry: Path) -> list[list[str]]:
    recogniser = load_recogniser(profile_of(entry / "config.pbtxt"), entry / "1", threads=1)
    results = recogniser.recognise(WINDOWS, language="en", options=RecognitionOptions())
    return [[word.text for word in result.words] for result in results if result]


async def test_placed_on_a_cpu_they_say_what_entries_for_a_cpu_say(built: Path, tmp_path: Path) -> None:
    _on_a_cpu(built, tmp_path / "models", *MODELS)
    async with _triton(tmp_path, tmp_path / "models", *MODELS) as triton:
        for name in MODELS:
            request = RecognitionRequest(name, "en")
            asked = [triton.engine.recognise(window, request, timeout_s=60.0) for window in WINDOWS]
            found = [[word.text for word in result.words] for result in await asyncio.gather(*asked)]
            assert found == _said_on_a_cpu(built / f"{name}-cpu"), name
            assert found[0] != found[1], name
            assert all(found), name


@pytest.mark.parametrize("name", MODELS)
async def test_as_they_are_written_they_do_not_load_without_a_gpu(built: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(TritonFailed, match=f"model {name} has kind KIND_GPU but no GPUs are available"):
        async with _triton(tmp_path, built, name):
            pytest.fail("it was loaded")


async def test_where_what_runs_it_finds_no_gpu_the_error_says_what_to_install(built: Path, tmp_path: Path) -> None:
    _on_a_cpu(built, tmp_path / "models", "whisper")
    (tmp_path / "models" / "whisper" / "1" / "model.py").write_text(_TOLD_OF_A_GPU)
    said = "this model is placed on a GPU, but .* no CUDAExecutionProvider: install onnxruntime-gpu in its place"
    with pytest.raises(TritonFailed, match=said):
        async with _triton(tmp_path, tmp_path / "models", "whisper"):
            pytest.fail("it was loaded")
