"""A real Prometheus scrapes a node; in full: tests/proofs/metrics.py."""

from pathlib import Path

from tests.proofs.metrics import measured
from tests.support.scraping import load, scraped_node, told

JOBS, ENGINES = 16, 2


async def test_prometheus_tells_of_a_load_what_it_was_and_can_evaluate_every_rule(tmp_path: Path) -> None:
    async with scraped_node(tmp_path, engines=ENGINES) as (address, prometheus):
        await load(address, JOBS)
        await told(prometheus, JOBS)
        assert [row for row in await measured(prometheus, JOBS, ENGINES) if not row[0]] == []
        assert await prometheus.unhealthy_rules() == []
