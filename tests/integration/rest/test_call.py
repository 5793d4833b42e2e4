"""Around every request over HTTP: the door, the record of it, and what breaks inside."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp

from stenod_server.access.doorkeeper import Doorkeeper, DoorLimits
from stenod_server.domain.access import ANYBODY, Credentials, Principal, Scope
from stenod_server.domain.quota import TenantLimits
from stenod_server.errors import StenodError, StoreUnavailable, Unauthenticated
from stenod_server.rest import call
from stenod_server.rest.app import guarded
from stenod_server.rest.call import call_of
from stenod_server.rest.caller import caller
from stenod_server.rest.operation import operation
from stenod_server.rest.server import HttpOptions, serving
from stenod_server.rest.status import http_status
from stenod_server.telemetry.metrics import Metrics
from tests.support.builders import FakeClock
from tests.support.credentials import make_key
from tests.support.http_node import http_node
from tests.support.logged import logged

LOOPBACK = HttpOptions(setting="http_listen", address="127.0.0.1:0", max_connections=20)
READER = Principal("newsroom", "key:1", frozenset({Scope.READ}))


class Keys:
    """An authenticator with two keys."""

    async def authenticate(self, credentials: Credentials) -> Principal:
        if not credentials.bearer:
            raise Unauthenticated("nobody")
        return READER if credentials.bearer == "reader" else ANYBODY


class Words:
    """A dialect that says the reason alone."""

    def refusal(self, error: StenodError) -> Response:
        return PlainTextResponse(error.reason, http_status(error))


def _routes() -> APIRouter:
    router, words = APIRouter(), Words()

    @router.get("/who")
    @operation("Who", words, Scope.READ)
    async def who(request: Request) -> Response:
        return PlainTextResponse(caller(request).tenant)

    @router.post("/change")
    @operation("Change", words, Scope.SUBMIT, changes=True)
    async def change(request: Request) -> Response:
        call_of(request).name_job("j1")
        await request.body()
        return PlainTextResponse("changed")

    @router.get("/forgotten")
    async def forgotten() -> Response:
        return PlainTextResponse("open to everybody")

    @router.get("/broken")
    @operation("Broken", words, None)
    async def broken(number: int = 0) -> Response:
        if number:
            raise StoreUnavailable("no database")
        raise ZeroDivisionError

    @router.get("/breaks-off")
    @operation("BreaksOff", words, None)
    async def breaks_off() -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"so far"
            raise ZeroDivisionError

        return StreamingResponse(body())

    return router


def _application(metrics: Metrics, max_calls: int = 10) -> ASGIApp:
    limits = DoorLimits(max_calls=max_calls, tenants={}, tenant_defaults=TenantLimits())
    return guarded([_routes()], Doorkeeper(Keys(), limits, FakeClock()), metrics, version="0")


@asynccontextmanager
async def _open(metrics: Metrics, max_calls: int = 10) -> AsyncIterator[httpx.AsyncClient]:
    app = _application(metrics, max_calls)
    async with (
        serving(app, LOOPBACK) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
    ):
        yield client


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_a_call_is_let_in_by_its_bearer_and_its_scope() -> None:
    async with _open(Metrics()) as client:
        answers = [
            await client.get("/who"),
            await client.get("/who", headers=[("Authorization", "Bearer reader"), ("Authorization", "Bearer reader")]),
            await client.get("/who", headers={"Authorization": "Basic reader"}),
            await client.get("/who", headers=_bearer("reader")),
            await client.post("/change", headers=_bearer("reader")),
            await client.post("/change", headers=_bearer("admin")),
        ]
    assert [(answer.status_code, answer.text) for answer in answers] == [
        (401, "UNAUTHENTICATED"),
        (401, "UNAUTHENTICATED"),
        (401, "UNAUTHENTICATED"),
        (200, "newsroom"),
        (403, "PERMISSION_DENIED"),
        (200, "changed"),
    ]


async def test_nothing_of_a_body_is_read_before_its_sender_is_known() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/change", "headers": [], "client": ("192.0.2.1", 1)}
    await _application(Metrics())(scope, receive, send)
    assert sent[0]["status"] == HTTPStatus.UNAUTHORIZED


async def test_a_route_that_nobody_said_anything_of_is_not_there() -> None:
    async with _open(Metrics()) as client:
        answers = [await client.get(path, headers=_bearer("admin")) for path in ("/forgotten", "/nowhere", "/docs/x")]
        wrong_method = await client.delete("/who", headers=_bearer("admin"))
    assert (wrong_method.status_code, wrong_method.headers["allow"]) == (HTTPStatus.METHOD_NOT_ALLOWED, "GET")
    assert {answer.status_code for answer in answers} == {404}


async def test_errors_are_said_in_the_words_of_the_dialect() -> None:
    metrics = Metrics()
    async with _open(metrics) as client:
        passing, malformed = await client.get("/broken?number=1"), await client.get("/broken?number=one")
    assert (passing.status_code, passing.text) == (503, "STORE_UNAVAILABLE")
    assert (malformed.status_code, malformed.text) == (400, "INVALID_FIELD")
    assert metrics.registry.get_sample_value("stenod_rpc_errors_total", {"reason": "STORE_UNAVAILABLE"}) == 1


async def test_what_nobody_foresaw_is_logged_and_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    async with _open(Metrics()) as client:
        answer = await client.get("/broken")
    assert (answer.status_code, answer.text) == (500, "INTERNAL")
    assert "ZeroDivisionError" in capsys.readouterr().out


async def test_an_answer_that_breaks_off_has_no_second_beginning() -> None:
    async with _open(Metrics()) as client:
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            await client.get("/breaks-off")


async def test_calls_are_counted_while_they_last_and_no_longer() -> None:
    async with _open(Metrics(), max_calls=1) as client:
        for _ in range(3):
            assert (await client.get("/who", headers=_bearer("reader"))).status_code == HTTPStatus.OK
        for path in ("/broken", "/breaks-off", "/who"):
            with suppress(httpx.RemoteProtocolError):
                await client.get(path)
        assert (await client.get("/who", headers=_bearer("reader"))).status_code == HTTPStatus.OK


async def test_a_body_that_stops_coming_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "STALL_S", 0.2)
    async with _open(Metrics()) as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        writer.write(b"POST /change HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\nContent-Length: 9\r\n\r\n12345")
        assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_a_full_node_refuses() -> None:
    async with _open(Metrics(), max_calls=0) as client:
        answer = await client.get("/who", headers=_bearer("reader"))
    assert (answer.status_code, answer.text) == (503, "TOO_MANY_CALLS")


async def test_who_changes_and_who_is_refused_is_recorded() -> None:
    with logged("error") as events:
        async with _open(Metrics()) as client:
            await client.get("/who", headers=_bearer("reader"))
            await client.get("/who")
            await client.post("/change", headers=_bearer("admin"), content=b"what nobody shall read")
    assert [(e["method"], e["outcome"], e["subject"], e.get("job_id")) for e in events] == [
        ("Who", "401 UNAUTHENTICATED", "", None),
        ("Change", "200", "anybody", "j1"),
    ]
    assert "nobody shall read" not in str(events)


async def test_the_document_and_its_page_need_nothing_from_elsewhere() -> None:
    async with _open(Metrics()) as client:
        document = (await client.get("/openapi.json")).json()
        page = (await client.get("/docs")).text
        parts = re.findall(r'(?:href|src)="([^"]+)"', page)
        assert [part for part in parts if not part.startswith("/docs/")] == []
        assert {(await client.get(part)).status_code for part in parts} == {200}
        assert (await client.get("/docs/__init__.py")).status_code == HTTPStatus.NOT_FOUND
    assert document["paths"].keys() == {"/who", "/change", "/forgotten", "/broken", "/breaks-off"}


async def test_the_door_of_the_node_is_the_one_of_its_other_api(tmp_path: Path) -> None:
    access = tmp_path / "access.toml"
    key = make_key(access, scopes=["read"])
    async with http_node(tmp_path, access_file=access) as http:
        assert (await http.client.get("/v2/jobs")).status_code == HTTPStatus.UNAUTHORIZED
        assert (await http.client.get("/v2/jobs", headers=_bearer(key))).status_code == HTTPStatus.OK
        assert (await http.client.get("/live")).status_code == HTTPStatus.OK
