"""Proof: two tenants at one node get nothing of each other's, and strangers get nothing.

    python -m tests.proofs.tenants

Every call of the service with every kind of credentials, over real gRPC: keys of a real access file, tokens of a real
issuer over HTTP. Prints the code of each; exit status 1 when one is not what it must be.
"""

import asyncio
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from stenod_server.telemetry import logs
from tests.support.tenant_trials import Row, try_every_call, try_what_is_shared
from tests.support.tenants import CALLS, two_tenants

SHORT: Final = {"UNAUTHENTICATED": "UNAUTH", "PERMISSION_DENIED": "DENIED"}


def show(rows: Sequence[Row]) -> None:
    """Credentials down, calls across: numbered, because their names are long."""
    print("\n".join(f"{number:2d} {row.call}" for number, row in enumerate(rows, 1)) + "\n")
    print(f"{'credentials':22s}" + "".join(f"{number:>10d}" for number in range(1, len(rows) + 1)))
    columns = list(dict.fromkeys(column for row in rows for column in row.codes))
    for column in columns:
        codes = [row.codes.get(column, "-") for row in rows]
        print(f"{column:22s}" + "".join(f"{SHORT.get(code, code):>10s}" for code in codes))
    print(f"\n{'UNAUTH':8s} UNAUTHENTICATED\n{'DENIED':8s} PERMISSION_DENIED\n")


async def main() -> int:
    logs.configure("error")
    logging.getLogger(logs.AUDIT).setLevel(logging.ERROR)  # a line for each call would hide the table
    calls, shared = list[Row](), list[Row]()
    with tempfile.TemporaryDirectory() as name:
        async with two_tenants(Path(name)) as town:
            async for row in try_every_call(town):
                calls.append(row)
                print(f"\r{len(calls)}/{len(CALLS)} {row.call:20s}", end="", file=sys.stderr, flush=True)
            print(file=sys.stderr)
            shared = [row async for row in try_what_is_shared(town)]
    show(calls)
    for row in shared:
        print(f"{row.call:22s} {'apart' if not row.deviations else 'NOT APART'}")
    deviations = [problem for row in (*calls, *shared) for problem in row.deviations]
    tried = sum(len(row.codes) for row in calls)
    print(f"\n{tried} combinations, {len(shared)} trials of what is shared; deviations: {len(deviations)}")
    for problem in deviations:
        print(f"  {problem}")
    return 1 if deviations or len(calls) != len(CALLS) else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
