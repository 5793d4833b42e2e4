"""How much of a prompt Whisper goes by."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from stenod_models.families.whisper.architecture import Architecture
from stenod_models.families.whisper.vocabulary import Vocabulary
from tests.support.whisper_checkpoints import tokens

PROTO: Final = Path(__file__).parents[4] / "proto" / "stenod" / "v1" / "job.proto"
PUBLISHED: Final = Architecture(
    mels=80,
    width=384,
    encoder_layers=4,
    encoder_heads=6,
    decoder_layers=4,
    decoder_heads=6,
    vocabulary=51_865,
    source_positions=1500,
    target_positions=448,
    multilingual=True,
    alignment_heads=((3, 0),),
)


@pytest.mark.parametrize("positions", [64, 448])
def test_a_full_prompt_leaves_half_of_the_positions(positions: int) -> None:
    room = replace(PUBLISHED, target_positions=positions).most_prompt_tokens
    prompt = Vocabulary(tokens(), multilingual=True).prompt("de", "translate", [1] * room)
    assert positions - len(prompt) == positions // 2


def test_the_api_says_how_many_tokens_of_a_prompt_count() -> None:
    (stated,) = re.findall(r"Whisper: the last (\d+) tokens", PROTO.read_text())
    assert int(stated) == PUBLISHED.most_prompt_tokens
