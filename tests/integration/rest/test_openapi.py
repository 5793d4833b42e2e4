"""The document of the HTTP dialects against the node that hands it out; in full: `make prove-openapi`."""

from pathlib import Path

import stenod
from tests.support.api_cases import documented_node, try_document
from tests.support.fuzz_node import node_faults

LEAST_CASES = 150


async def test_what_the_document_says_holds_whatever_is_sent(tmp_path: Path) -> None:
    async with documented_node(tmp_path) as (node, key), stenod.Client(node.node.address, api_key=key) as client:
        options = ("--phases", "fuzzing,stateful", "--max-examples", "8", "--seed", "20261121")
        tried = await try_document(node, key, tmp_path, *options)
        assert tried.exit_status == 0, tried.said
        assert tried.cases >= LEAST_CASES, tried.said
        assert not tried.answers[500]
        assert await node_faults(client, tmp_path) == []
