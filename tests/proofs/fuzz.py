"""Proof: any bytes become a transcript or a refusal that blames them; never another error, a hang or a dead node.

    python -m tests.proofs.fuzz [--minutes 10] [--seed N]

Half of the time recordings mutated from tests/fuzz/corpus go through a pool of real decode workers, half of the time
hostile requests go to every call of a real node. Prints what was tried and what came of it; an input that finds
something is kept in tests/fuzz, and the exit status is 1.
"""

import argparse
import asyncio
import logging
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from stenod_server.telemetry import logs
from tests.support.fuzz_calls import SERVICE, packed
from tests.support.fuzz_media import Outcome, attempt, inputs, open_pool, seeds
from tests.support.fuzz_node import fuzzed_node
from tests.support.fuzz_seeds import CORPUS
from tests.support.models import build_models

CALLS = CORPUS.parent / "calls"
TOLD_EVERY = 500


@dataclass(slots=True)
class Tally:
    """What was tried, by form and by outcome. `faults`: of each what it was and where it is kept."""

    what: str
    forms: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")

    def add(self, form: str, outcome: Outcome, data: bytes, kept: Path) -> None:
        self.forms[form] += 1
        self.kinds[outcome.kind] += 1
        self.slowest = max(self.slowest, (outcome.seconds, f"{form}: {outcome.kind}"))
        if outcome.fault:
            kept.write_bytes(data)
            self.faults.append(f"{kept}: {outcome.fault}")
        if self.forms.total() % TOLD_EVERY == 0:
            print(f"\r{self.what}: {self.forms.total()} tried, {len(self.faults)} faults", end="", flush=True)

    def show(self) -> None:
        print(f"\r{self.what}: {self.forms.total()} inputs tried")
        print(f"  of     {', '.join(f'{form} {count}' for form, count in self.forms.most_common())}")
        print(f"  became {', '.join(f'{kind} {count}' for kind, count in self.kinds.most_common())}")
        crashes = sum("crash" in fault or "signal" in fault for fault in self.faults)
        print(f"  faults {len(self.faults)}, crashes {crashes}, hangs {self.kinds['HANG']}", end="; ")
        print(f"slowest {self.slowest[0]:.2f} s ({self.slowest[1]})")
        for fault in self.faults:
            print(f"  <- {fault}")


async def fuzz_decoder(seed: int, until_s: float, directory: Path) -> Tally:
    tally = Tally("decoder")
    vad_path = build_models() / "silero-vad" / "1" / "silero_vad_sequence.onnx"
    pool = open_pool(vad_path)
    try:
        for number, one in enumerate(inputs(random.Random(seed), seeds())):
            if monotonic() > until_s:
                return tally
            outcome = await attempt(pool, directory / "media", one.data)
            tally.add(one.form, outcome, one.data, CORPUS / f"found-{seed}-{number}")
    finally:
        await pool.close()
    return tally


async def fuzz_api(seed: int, until_s: float, directory: Path) -> Tally:
    tally = Tally("API")
    async with fuzzed_node(directory, seed) as node:
        number = 0
        while monotonic() < until_s:
            for method in SERVICE.methods:
                requests, outcome = await node.caller.call(method)
                tally.add(method.name, outcome, packed(requests), CALLS / f"{method.name}-{seed}-{number}")
            number += 1
        tally.faults += await node.faults()
    return tally


async def fuzz(minutes: float, seed: int) -> list[Tally]:
    with tempfile.TemporaryDirectory() as name:
        half_s = minutes * 30
        return [
            await fuzz_decoder(seed, monotonic() + half_s, Path(name)),
            await fuzz_api(seed, monotonic() + half_s, Path(name)),
        ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logs.configure("error")
    logging.getLogger(logs.AUDIT).disabled = True  # a line for each of ten thousands of calls
    tallies = asyncio.run(fuzz(arguments.minutes, arguments.seed))
    for tally in tallies:
        tally.show()
    return 1 if any(tally.faults for tally in tallies) else 0


if __name__ == "__main__":
    sys.exit(main())
