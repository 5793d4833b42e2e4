"""No accepted job is lost or doubled, whatever breaks: the proof `make prove-faults` in little."""

import random
from pathlib import Path
from typing import Final

import pytest

from tests.support import chaos
from tests.support.chaos import Campaign, ServerFault
from tests.support.load import Material, undisturbed
from tests.support.models import DEFAULT_MODEL
from tests.support.restartable import RestartableServer
from tests.support.speech import recordings
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.triton
SEED: Final = 20_300_102


async def test_accepted_jobs_survive_kills_restarts_a_locked_database_and_broken_connections(
    built_models_dir: Path, tmp_path: Path
) -> None:
    sample = built_models_dir / DEFAULT_MODEL / "samples" / "two_cities.wav"
    short = [Material(recording.path) for recording in recordings("read_en")[:4]]
    server = RestartableServer(
        tmp_path / "node",
        "--lease-s=2",
        "--drain-s=1",
        "--max-rescues=50",
        f"--fetch-file-roots={sample.parent.resolve()}",
        models_dir=built_models_dir,
        log=tmp_path / "server.log",
    )
    await server.start()
    try:
        # What is asked for here would be seen by the audit as nobody's jobs.
        materials = await undisturbed(server.address, [*short, Material(sample), Material(sample, by_address=True)])
        await server.forget()
        async with TcpProxy(server.address) as proxy:
            faults = [
                chaos.kill_both,
                chaos.kill_triton,
                chaos.roll,
                chaos.lock_database(2.0),
                chaos.half_open(proxy),
            ]
            campaign = Campaign(times=len(faults), seed=SEED, clients=8, gap_s=(0.0, 0.5), address=proxy.url)
            outcome = await chaos.run("each once", _one_after_the_other(faults), server, materials, campaign)
    finally:
        status = await server.close()
    assert outcome.holds, [*outcome.faults, *outcome.audit.problems]
    assert outcome.injected == len(faults)
    assert min(outcome.in_flight) > 0
    assert outcome.audit.succeeded > 0
    assert max(outcome.audit.attempts) > 1, "no job was hit"
    assert status == 0


def _one_after_the_other(faults: list[ServerFault]) -> ServerFault:
    left = iter(faults)

    async def inject(server: RestartableServer, chance: random.Random) -> float:
        return await next(left)(server, chance)

    return inject
