"""Proof: a real Prometheus tells of a load what the load was.

    python -m tests.proofs.metrics [--jobs 120] [--engines 8]

A node with a recogniser that sleeps, scraped once a second by Debian's Prometheus with the alert rules of deploy/; so
many jobs of two windows of 10 s each at once. Prints what Prometheus answers afterwards, and asks it every expression
of the dashboard. Exit status 1 unless jobs, windows and seconds of audio are those of the load, the engines were seen
full and the queue not empty, every rule can be evaluated, and no expression is refused.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from tests.support.prometheus import DEPLOY
from tests.support.quiet import keep_quiet
from tests.support.scraping import Prometheus, load, scraped_node, told

WINDOWS_OF_A_JOB: Final = 2
WINDOW_S: Final = 10.0


async def measured(prometheus: Prometheus, jobs: int, engines: int) -> list[tuple[bool, str, float]]:
    """Whether it is as expected, the expression, and what Prometheus says."""
    windows = jobs * WINDOWS_OF_A_JOB
    expected: list[tuple[str, float | None]] = [
        ('stenod_jobs_ended_total{state="succeeded"}', jobs),
        ("stenod_windows_total", windows),
        ("stenod_audio_transcribed_seconds_total", windows * WINDOW_S),
        ('stenod_stage_seconds_count{stage="window"}', windows),
        ('max_over_time(stenod_engines{kind="max"}[5m])', engines),
        ('max_over_time(stenod_engines{kind="used"}[5m])', engines),
        ('stenod_jobs{state="queued"}', 0),
        ("stenod_triton_ready", 1),
        ('max_over_time(stenod_jobs{state="queued"}[5m])', None),
        ("max_over_time(stenod_queue_oldest_age_seconds[5m])", None),
        ("stenod_real_time_factor", None),
        ('histogram_quantile(0.5, sum by (le) (stenod_stage_seconds_bucket{stage="window"}))', None),
        ('histogram_quantile(0.95, sum by (le) (stenod_stage_seconds_bucket{stage="queue"}))', None),
        ('histogram_quantile(0.99, sum by (le) (stenod_rpc_seconds_bucket{method="SubmitJob"}))', None),
        ("stenod_disk_free_bytes", None),
    ]
    found = []
    for expression, value in expected:
        is_said = await prometheus.one(expression)
        found.append((is_said > 0 if value is None else is_said == value, expression, is_said))
    return found


async def refused(prometheus: Prometheus) -> list[str]:
    """Expressions of the dashboard that Prometheus does not answer."""
    dashboard: dict[str, Any] = json.loads((DEPLOY / "grafana" / "stenod.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    wrong = []
    for expression in expressions:
        asked = expression.replace("$__rate_interval", "1m").replace("$job", ".*")
        answer = await prometheus.client.get("/api/v1/query", params={"query": asked})
        if answer.status_code != 200:
            wrong.append(f"{asked}: {answer.text}")
    print(f"{len(expressions)} expressions of the dashboard asked, {len(wrong)} refused")
    return wrong


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=120)
    parser.add_argument("--engines", type=int, default=8)
    arguments = parser.parse_args()
    keep_quiet()
    with tempfile.TemporaryDirectory() as directory:
        async with scraped_node(Path(directory), engines=arguments.engines) as (address, prometheus):
            began_s = time.monotonic()
            await load(address, arguments.jobs)
            print(f"{arguments.jobs} jobs in {time.monotonic() - began_s:.1f} s", flush=True)
            await told(prometheus, arguments.jobs)
            rows = await measured(prometheus, arguments.jobs, arguments.engines)
            wrong = [*await refused(prometheus), *await prometheus.unhealthy_rules()]
    for is_right, expression, value in rows:
        print(f"{'ok  ' if is_right else 'FAIL'}  {value:16.3f}  {expression}")
    for problem in wrong:
        print(f"FAIL  {problem}")
    return 0 if all(is_right for is_right, _, _ in rows) and not wrong else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
