"""Proof: what a cluster accepted is a promise, whichever part of it breaks.

    python -m tests.proofs.cluster_faults [--seed N] [--only WORDS] [--nodes N] [--log DIR] [--verbose]

Three nodes on hosts of their own (network namespaces: this takes root), two real Tritons with a recogniser that sleeps,
PostgreSQL over TCP, an S3 server, and a balancer before the nodes, where many clients submit, cancel and delete.
Each kind of fault gets a cluster of its own, and is injected while at least 60 jobs run; then every job that was
accepted is looked at: it must have ended once, with the transcript, word for word, that an undisturbed cluster gives,
and be counted once; no row may be left over. Recovered is the cluster once a job has succeeded that had not when the
fault came, and none of those that a lost node ran is held by it; counted from the fault, but for S3 from the end of it.
Exit status 1 when anything is lost, doubled or left over, and when a row could not be run.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from stenod_server.telemetry import logs
from tests.support import cluster_chaos as chaos
from tests.support.chaos import HEADER, Campaign
from tests.support.cluster import Plan, forget_jobs, running_cluster
from tests.support.cluster_chaos import ClusterOutcome, Inject
from tests.support.load import Material, Mix, undisturbed
from tests.support.models import DEFAULT_MODEL, build_models, read_audio
from tests.support.small_disk import NotPermitted
from tests.support.waves import write_wav

LEAST_RUNNING: Final = 60
CLIENTS: Final = 90
MIX: Final = Mix(cancelled=0.04, deleted=0.02)
LEASE_S: Final = 15.0
LENGTHS_S: Final = (6, 14, 25)


@dataclass(frozen=True, slots=True)
class Fault:
    """A row of the table."""

    name: str
    times: int
    inject: Inject
    standby: bool = False


FAULTS: Final = (
    Fault("none", 1, chaos.nothing),
    Fault("a node is killed", 2, chaos.kill_node),
    Fault("a node is cut off for 30 s and comes back", 2, chaos.cut_off_node(30.0)),
    Fault("a Triton is killed", 2, chaos.kill_triton),
    Fault("PostgreSQL is restarted", 2, chaos.restart_database),
    Fault("PostgreSQL fails over to its standby", 1, chaos.fail_over, standby=True),
    Fault("S3 is down for 30 s", 2, chaos.shut_s3(30.0)),
)


def recordings(directory: Path, models_dir: Path) -> list[Material]:
    """Of several lengths, cut from one that people read."""
    audio = read_audio(models_dir / DEFAULT_MODEL / "samples" / "two_cities.wav")
    return [Material(write_wav(directory / f"{length}.wav", audio[: 16_000 * length])) for length in LENGTHS_S]


async def one_row(fault: Fault, directory: Path, models_dir: Path, campaign: Campaign, plan: Plan) -> ClusterOutcome:
    plan = replace(plan, standby=fault.standby)
    async with running_cluster(directory, models_dir, plan) as cluster:
        materials = await undisturbed(cluster.address, recordings(directory, models_dir))
        await forget_jobs(cluster)
        campaign = replace(campaign, times=fault.times)
        return await chaos.run(fault.name, fault.inject, cluster, materials, campaign, least=LEAST_RUNNING)


def shown(outcome: ClusterOutcome, *, verbose: bool) -> Sequence[str]:
    problems = [*outcome.faults, *outcome.audit.problems][: None if verbose else 5]
    refused = f"    {outcome.refused} jobs were gone on with by a node that had lost them: refused"
    nameless = f"    {len(outcome.nameless)} media were stored for jobs that never were: left to the janitor"
    told = [*([refused] if outcome.refused else []), *([nameless] if outcome.nameless else [])]
    return [str(outcome), *told, *(f"    {problem}" for problem in problems)]


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--only", default="", help="the faults whose names contain this; none: the load alone")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--log", type=Path, help="a directory that is kept, for what the nodes write")
    parser.add_argument("--verbose", action="store_true", help="every problem, not the first five of a fault")
    arguments = parser.parse_args()
    logs.configure("critical")  # of the Tritons' supervisors in this process
    models_dir, began_s, outcomes, left_out = build_models(), time.monotonic(), [], 0
    print(f"seed {arguments.seed}\n{HEADER}", flush=True)
    for fault in FAULTS:
        if arguments.only not in fault.name:
            continue
        with tempfile.TemporaryDirectory() as name:
            directory = (arguments.log or Path(name)) / fault.name.replace(" ", "-")
            directory.mkdir(parents=True)
            campaign = Campaign(times=0, seed=arguments.seed, clients=CLIENTS, gap_s=(1.0, 3.0), mix=MIX)
            plan = Plan(nodes=arguments.nodes, lease_s=LEASE_S)
            try:
                outcome = await one_row(fault, directory, models_dir, campaign, plan)
            except NotPermitted as reason:
                print(f"{fault.name:46s} not run: {reason}", flush=True)
                left_out += 1
                continue
        outcomes.append(outcome)
        print("\n".join(shown(outcome, verbose=arguments.verbose)), flush=True)
    lost, doubled = (sum(len(getattr(one.audit, what)) for one in outcomes) for what in ("lost", "doubled"))
    accepted = sum(one.audit.accepted for one in outcomes)
    print(f"{accepted} jobs accepted: {lost} lost, {doubled} doubled; {time.monotonic() - began_s:.0f} s")
    return 0 if outcomes and not left_out and all(outcome.holds for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
