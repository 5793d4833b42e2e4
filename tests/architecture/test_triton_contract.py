"""The tensors of every config.pbtxt are those of `stenod_models.contract`."""

import re
from pathlib import Path

import pytest

from stenod_models import contract
from tests.support.speech import PROJECT_ROOT

CONFIGS = sorted((PROJECT_ROOT / "model_repository").glob("*/config.pbtxt"))


def test_there_is_a_model_repository() -> None:
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.parent.name)
def test_config_has_the_tensors_of_the_contract(path: Path) -> None:
    text = path.read_text()
    tensors = dict(re.findall(r'name:\s*"([A-Z_]+)"\s*data_type:\s*TYPE_([A-Z0-9]+)', text))
    contracts = {
        contract.PROFILE_PARAMETER: contract.INPUTS | contract.OUTPUTS,
        contract.VOICES_PROFILE_PARAMETER: contract.VOICES_INPUTS | contract.VOICES_OUTPUTS,
    }
    (kept,) = contracts.keys() & set(re.findall(r'key:\s*"(\w+)"', text))
    expected = {name: dtype.replace("BYTES", "STRING") for name, dtype in contracts[kept].items()}
    assert tensors == expected
    assert re.search(r'name:\s*"AUDIO"[^}]*allow_ragged_batch:\s*true', text)
