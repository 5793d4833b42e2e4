"""How many windows a Whisper entry takes at once: what their keys and values fit into."""

from dataclasses import replace
from typing import Final

import pytest

from stenod_models.export.whisper import _batch_size
from stenod_models.families.whisper.architecture import Architecture

LARGE: Final = Architecture(
    mels=128,
    width=1280,
    encoder_layers=32,
    encoder_heads=20,
    decoder_layers=32,
    decoder_heads=20,
    vocabulary=51_866,
    source_positions=1500,
    target_positions=448,
    multilingual=True,
    alignment_heads=((31, 0),),
)
NUMBERS: Final = 32 * 2 * 1500 * 1280  # keys and values of one window, for every layer


@pytest.mark.parametrize(
    ("device", "precision", "number_bytes", "most_bytes"),
    [
        ("cuda", "fp16", 2, 2**32),
        ("cuda", "bf16", 2, 2**32),
        ("cuda", "fp32", 4, 2**32),
        ("cpu", "fp32", 4, 2**30),
        ("cpu", "fp16", 4, 2**30),
        ("cpu", "int8", 1, 2**30),
    ],
)
def test_a_batch_of_the_largest_whisper_just_fits(
    device: str, precision: str, number_bytes: int, most_bytes: int
) -> None:
    size = _batch_size(LARGE, device, precision)
    assert size * NUMBERS * number_bytes <= most_bytes < (size + 1) * NUMBERS * number_bytes


def test_a_small_model_takes_no_more_than_its_device_batches() -> None:
    small = replace(LARGE, width=384, decoder_layers=4)
    assert [_batch_size(small, device, "fp16") for device in ("cpu", "cuda")] == [8, 32]
