"""Any request → an answer or a refusal that blames the caller and says why; the node goes on, and every job ends."""

from pathlib import Path

import pytest

from tests.support.fuzz_calls import SERVICE, unpacked
from tests.support.fuzz_node import fuzzed_node
from tests.support.fuzz_seeds import CORPUS
from tests.support.models import built_models_dir

__all__ = ["built_models_dir"]

SEED, CALLS_A_METHOD = 5, 25


@pytest.mark.usefixtures("built_models_dir")
async def test_no_call_finds_a_fault_of_the_node(tmp_path: Path) -> None:
    faults, kinds = [], set()
    async with fuzzed_node(tmp_path, SEED) as node:
        for number in range(CALLS_A_METHOD):
            for method in SERVICE.methods:
                _, outcome = await node.caller.call(method)
                kinds.add(outcome.kind)
                faults += [(number, method.name, outcome.fault)] if outcome.fault else []
        assert faults == []
        assert await node.faults() == []
    assert kinds >= {"OK", "INVALID_REQUEST", "INVALID_FIELD", "JOB_NOT_FOUND"}


@pytest.mark.usefixtures("built_models_dir")
async def test_calls_that_once_found_a_fault_find_none(tmp_path: Path) -> None:
    found = sorted((CORPUS.parent / "calls").iterdir())
    assert found
    async with fuzzed_node(tmp_path, SEED) as node:
        for file in found:
            method = SERVICE.methods_by_name[file.name.split("-")[0]]
            outcome = await node.caller.send(method, unpacked(file.read_bytes()))
            assert (file.name, outcome.fault) == (file.name, "")
        assert await node.faults() == []
