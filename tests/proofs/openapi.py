"""Proof: what the OpenAPI document says of the HTTP dialects holds, whatever is sent.

    python -m tests.proofs.openapi [--examples 150] [--seed N]

schemathesis reads the document of a node that asks for keys, has real decoders, a recogniser that sleeps and addresses
it can fetch, and tries every operation: the examples, the edges of every schema, requests that follow the schema and
requests that break it, and walks along the links from operation to operation. Prints the answers of each operation by
status. Exit status 1 when a check failed, when there was a 500, or when the node is not what it was afterwards.
"""

import argparse
import asyncio
import logging
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import stenod
from stenod_server.telemetry import logs
from tests.support.api_cases import documented_node, try_document
from tests.support.fuzz_node import node_faults


def table(statuses: Mapping[str, Counter[int]]) -> str:
    """An operation a line."""
    columns = sorted(sum(statuses.values(), Counter[int]()))
    widest = max(map(len, statuses))
    lines = [" " * widest + "".join(f"{status:>7}" for status in columns)]
    for operation, counts in sorted(statuses.items(), key=lambda item: item[0].split()[::-1]):
        lines.append(f"{operation:<{widest}}" + "".join(f"{counts[status] or '-':>7}" for status in columns))
    return "\n".join(lines)


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=150, help="requests of each operation that are made up")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    logs.configure("error")
    logging.getLogger(logs.AUDIT).disabled = True  # a line for each of thousands of calls
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        async with documented_node(directory) as (node, key), stenod.Client(node.node.address, api_key=key) as client:
            options = ("--max-examples", arguments.examples, "--seed", arguments.seed)
            tried = await try_document(node, key, directory, *map(str, options))
            faults = await node_faults(client, directory)
    print(tried.said)
    print(table(tried.statuses))
    print(f"{tried.cases} requests answered, {tried.answers[500]} of them 500; exit status {tried.exit_status}")
    for fault in faults:
        print(f"FAIL  {fault}")
    return 1 if tried.exit_status or tried.answers[500] or faults else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
