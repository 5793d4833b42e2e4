"""What a node says over HTTP before it can answer, and after."""

import asyncio

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from stenod_server.rest.stage import Stage


def _client(stage: Stage) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(stage), base_url="http://node")


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/live", 200, {"live": True}),
        ("/ready", 503, {"ready": False, "engines_used": 0}),
        ("/health", 501, {"healthy": False}),
        ("/v2/jobs", 503, {"detail": "the node is starting, or going away"}),
    ],
)
async def test_a_node_that_starts_or_goes_away_is_alive_and_no_more(path: str, status: int, body: object) -> None:
    stage = Stage()
    async with _client(stage) as client:
        before = await client.get(path)
        stage.enter(PlainTextResponse("here"))
        assert (await client.get(path)).text == "here"
        await stage.leave(0.0)
        after = await client.get(path)
    assert [(answer.status_code, answer.json()) for answer in (before, after)] == [(status, body)] * 2


async def test_who_is_being_answered_hears_the_end() -> None:
    stage, asked, may_end = Stage(), asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        await may_end.wait()
        await PlainTextResponse("the end")(scope, receive, send)

    stage.enter(slow)
    async with _client(stage) as client:
        answering = asyncio.create_task(client.get("/"))
        await asked.wait()
        leaving = asyncio.create_task(stage.leave(20.0))
        await asyncio.sleep(0)
        assert not leaving.done()
        may_end.set()
        assert (await answering).text == "the end"
        await leaving


async def test_who_does_not_end_is_not_waited_for() -> None:
    stage, asked = Stage(), asyncio.Event()

    async def endless(_scope: Scope, _receive: Receive, _send: Send) -> None:
        asked.set()
        await asyncio.Event().wait()

    stage.enter(endless)
    async with _client(stage) as client:
        answering = asyncio.create_task(client.get("/"))
        await asked.wait()
        await stage.leave(0.01)
        answering.cancel()
