"""The operations that the roofline counts are those that torch counts while it computes; all weights are counted."""

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402 - behind the guards
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from bench.gpu import entries, plan  # noqa: E402
from bench.gpu.counts import ParakeetShape, WhisperShape  # noqa: E402
from stenod_models.export.parakeet_checkpoint import architecture_of  # noqa: E402
from stenod_models.families.parakeet.torch_decoding import GreedyLoop  # noqa: E402
from stenod_models.families.parakeet.torch_encoder import TorchEncoder  # noqa: E402

PARAKEET = ParakeetShape(64, 3, 4, 256, 9, 80, 32, 513, 5, 48, 2)
WHISPER = WhisperShape(64, 2, 3, 4, 80, 2000, 200, 40)


def counted(work: Callable[[], Any]) -> float:
    # Fused attention is not counted on a CPU.
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


@pytest.fixture(scope="module")
def parakeet() -> Any:
    return transformers.ParakeetForTDT(entries._parakeet_config(PARAKEET)).eval()


@pytest.fixture(scope="module")
def whisper() -> Any:
    listed = entries._whisper_tokens(WHISPER.vocabulary)
    return transformers.WhisperForConditionalGeneration(entries._whisper_config(WHISPER, listed)).eval()


def test_the_encoder_of_parakeet(parakeet: Any) -> None:
    architecture = architecture_of(parakeet.config, "tdt", {"preemphasis": 0.97}, precision="fp32", runtime="torch")
    encoder = TorchEncoder(dict(parakeet.state_dict()), architecture)
    rows, samples = 3, 160 * 480
    found = counted(lambda: encoder(torch.zeros(rows, 480, 80), torch.full((rows,), 480)))
    assert PARAKEET.encoder(rows, samples, "fp32").operations == pytest.approx(found, rel=0.03)


def test_a_step_of_parakeets_decoder(parakeet: Any) -> None:
    architecture = architecture_of(parakeet.config, "tdt", {"preemphasis": 0.97}, precision="fp32", runtime="torch")
    loop = GreedyLoop(dict(parakeet.state_dict()), architecture, rows=4, frames=2)
    token = torch.zeros(4, dtype=torch.int64)
    look, label = counted(loop._join), counted(lambda: loop._predict(token, token == 0))
    assert PARAKEET.decoder(4, looks=3, labels=2, precision="fp32").operations == pytest.approx(3 * look + 2 * label)


def test_the_encoder_of_whisper(whisper: Any) -> None:
    rows = 2

    def encode() -> None:
        hidden = whisper.model.encoder(torch.zeros(rows, 80, 2 * WHISPER.frames)).last_hidden_state
        for layer in whisper.model.decoder.layers:
            layer.encoder_attn.k_proj(hidden)
            layer.encoder_attn.v_proj(hidden)

    assert WHISPER.encoder(rows, "fp32").operations == pytest.approx(counted(encode), rel=0.03)


def test_a_step_of_whispers_decoder(whisper: Any) -> None:
    """Without a cache torch projects the cross-attention's keys and values anew: that is the encoder's work here."""
    rows = 2
    hidden = torch.zeros(rows, WHISPER.frames, WHISPER.width)
    tokens = torch.zeros(rows, 1, dtype=torch.int64)
    found = counted(
        lambda: whisper.proj_out(whisper.model.decoder(tokens, encoder_hidden_states=hidden).last_hidden_state)
    )
    projected = 2 * rows * WHISPER.frames * WHISPER.cross_weights
    assert WHISPER.decoder(rows, 1, "fp32").operations == pytest.approx(found - projected, rel=0.03)


def test_all_weights_are_counted(parakeet: Any, whisper: Any) -> None:
    for shape, model in ((PARAKEET, parakeet), (WHISPER, whisper)):
        held = sum(value.numel() for value in model.parameters() if value.dim() > 1)
        held -= sum(value.numel() for name, value in model.named_parameters() if "embed_positions" in name)
        assert shape.weights == pytest.approx(held, rel=0.02)


def test_the_plan_tells_of_every_model_at_every_batch() -> None:
    lines = plan.table().splitlines()
    assert len(lines) == 2 + len(list(plan.rows()))
    assert {line.count("|") for line in lines} == {len(plan.BATCHES) + 4}
