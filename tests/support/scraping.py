"""A real Prometheus that scrapes a node with our rules, and a load whose numbers it must tell."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

import stenod
from stenod_server.engine.fake import FakeEngine
from tests.support.eventually import eventually_so
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.node import fake_node
from tests.support.prometheus import rule_files, tools

SCRAPE_S: Final = 1.0
_START_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running one."""

    client: httpx.AsyncClient

    async def ask(self, expression: str) -> list[tuple[Mapping[str, str], float]]:
        """Labels and value of each series now."""
        answer = await self.client.get("/api/v1/query", params={"query": expression})
        answer.raise_for_status()
        return [(one["metric"], float(one["value"][1])) for one in answer.json()["data"]["result"]]

    async def one(self, expression: str) -> float:
        """Of a single series; 0 where there is none."""
        found = await self.ask(expression)
        return found[0][1] if found else 0.0

    async def unhealthy_rules(self) -> list[str]:
        """Rules that it could not evaluate. Empty only once all have been."""
        answer = (await self.client.get("/api/v1/rules")).json()["data"]["groups"]
        every: list[Any] = [rule for group in answer for rule in group["rules"]]
        return [
            f"{rule['name']}: {rule['health']} {rule.get('lastError', '')}" for rule in every if rule["health"] != "ok"
        ]


@asynccontextmanager
async def running_prometheus(directory: Path, targets: Sequence[str]) -> AsyncIterator[Prometheus]:
    """Scrapes these addresses as the job `stenod` once a second. Killed at the end."""
    (directory / "rules").mkdir()
    for name, file in rule_files().items():
        for group in file["groups"]:
            group.pop("interval", None)  # minutes, which nobody waits for here
        (directory / "rules" / f"{name}.yaml").write_text(yaml.safe_dump(file))
    configuration = {
        "global": {"scrape_interval": f"{SCRAPE_S:.0f}s", "evaluation_interval": f"{SCRAPE_S:.0f}s"},
        "rule_files": ["rules/*.yaml"],
        "scrape_configs": [{"job_name": "stenod", "static_configs": [{"targets": list(targets)}]}],
    }
    (directory / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = await asyncio.create_subprocess_exec(
        str(tools() / "prometheus"),
        f"--config.file={directory / 'prometheus.yaml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=error",
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}", timeout=10.0) as client:
            await eventually_so(lambda: _is_ready(client), timeout_s=_START_S)
            yield Prometheus(client)
    finally:
        process.kill()
        await process.wait()


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/-/ready")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@asynccontextmanager
async def scraped_node(directory: Path, *, engines: int) -> AsyncIterator[tuple[str, Prometheus]]:
    """A node whose recogniser sleeps a fifth of a second over each window, and what scrapes it; its address."""
    engine, front_end = FakeEngine(fixed_delay_s=0.2), ScriptedFrontEnd(make_windows(2, seconds=10.0))
    async with (
        fake_node(directory, engine, front_end, metrics_listen="127.0.0.1:0", parallel=engines) as node,
        running_prometheus(directory, [node.metrics_address]) as prometheus,
    ):
        await eventually_so(lambda: _sees_it(prometheus))
        yield node.address, prometheus


async def _sees_it(prometheus: Prometheus) -> bool:
    """Before the load, so that every increase has a beginning."""
    return await prometheus.one('stenod_jobs_ended_total{state="succeeded"}') == 0 and bool(
        await prometheus.ask('stenod_jobs{state="queued"}')
    )


async def load(address: str, jobs: int) -> None:
    """All at once; returns when the last has ended."""
    async with stenod.Client(address) as client:
        submitted = [await client.submit(b"RIFF", language="en") for _ in range(jobs)]
        await asyncio.gather(*(client.wait(job.job_id) for job in submitted))


async def told(prometheus: Prometheus, jobs: int) -> None:
    """Wait until a scrape has seen the end of all jobs and the queue sampled since, and every rule was evaluated."""

    async def is_told() -> bool:
        ended = await prometheus.one('sum(stenod_jobs_ended_total{state="succeeded"})') == jobs
        queued = await prometheus.one('sum(stenod_jobs{state=~"queued|running"})')
        unknown = [one for one in await prometheus.unhealthy_rules() if ": unknown" in one]
        return ended and not queued and not unknown

    await eventually_so(is_told)
