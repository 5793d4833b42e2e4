"""The probes over HTTP."""

from pathlib import Path

import httpx

from tests.support.http_node import http_node


async def test_an_idle_node_is_live_and_ready(tmp_path: Path) -> None:
    async with http_node(tmp_path) as http:
        await http.node.scheduler.capacity()
        assert (await http.client.get("/live")).json() == {"live": True}
        ready = await http.client.get("/ready")
        assert (ready.status_code, ready.json()) == (200, {"ready": True, "engines_used": 0})


async def test_a_node_without_engines_is_not_ready(tmp_path: Path) -> None:
    async with http_node(tmp_path, parallel=0) as http:
        assert (await http.client.get("/ready")).status_code == httpx.codes.SERVICE_UNAVAILABLE


async def test_every_answer_carries_the_request_id(tmp_path: Path) -> None:
    async with http_node(tmp_path) as http:
        answer = await http.client.get("/live", headers={"X-Request-Id": "mine"})
        assert (answer.headers["x-request-id"], answer.headers["request-id"]) == ("mine", "mine")
