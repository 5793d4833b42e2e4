"""What a cluster accepted is a promise: the proof `make prove-cluster-faults` in little."""

from pathlib import Path
from typing import Final

import pytest

from tests.support import cluster_chaos as chaos
from tests.support.chaos import Campaign
from tests.support.cluster import Plan, forget_jobs, running_cluster
from tests.support.load import Material, Mix, undisturbed
from tests.support.models import DEFAULT_MODEL, read_audio
from tests.support.waves import write_wav

pytestmark = [pytest.mark.triton, pytest.mark.timeout(300)]
SEED: Final = 20_300_107
PLAN: Final = Plan(nodes=2, tritons=1, engines=8, decoders=2, window_ms=100, lease_s=2.0, apart=False, s3=False)
QUIET: Final = Campaign(times=1, seed=SEED, clients=10, gap_s=(0.5, 1.0), mix=Mix(cancelled=0.1, deleted=0.0))


async def test_no_job_is_lost_or_doubled_when_a_node_of_two_is_killed(built_models_dir: Path, tmp_path: Path) -> None:
    sample = read_audio(built_models_dir / DEFAULT_MODEL / "samples" / "two_cities.wav")
    materials = [Material(write_wav(tmp_path / f"{length}.wav", sample[: 16_000 * length])) for length in (4, 9)]
    async with running_cluster(tmp_path / "cluster", built_models_dir, PLAN) as cluster:
        materials = await undisturbed(cluster.address, materials)
        await forget_jobs(cluster)
        outcome = await chaos.run("a node is lost", chaos.lose_node, cluster, materials, QUIET, least=6)
    assert outcome.holds, [*outcome.faults, *outcome.audit.problems]
    assert min(outcome.in_flight) >= 6
    assert max(outcome.audit.attempts) > 1, "no job was hit"
    assert outcome.audit.succeeded > 10
