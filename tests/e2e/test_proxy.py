"""The nginx example, run in front of a node: what passes, and what a proxy's time-outs do not cut."""

import asyncio
import os
import shutil
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from stenod_server.engine.fake import FakeEngine
from tests.support.eventually import eventually
from tests.support.fetcher import ScriptedFetcher
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.http_node import HttpNode, http_node
from tests.support.restartable import free_port
from tests.support.speech import PROJECT_ROOT

EXAMPLE = PROJECT_ROOT / "deploy" / "nginx" / "stenod.conf"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
URL = "https://cdn.example.com/call.wav"
MIB = 1024 * 1024
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not here (Debian: apt-get install nginx-light)")


def filled_in(directory: Path, upstream: str, port: int, authority: trustme.CA, read_timeout: str) -> str:
    """The example with its addresses and paths; each is in it once, else this is no longer the example."""
    identity = authority.issue_cert("127.0.0.1")
    identity.private_key_pem.write_to_path(str(directory / "stenod.key"))
    (directory / "stenod.pem").write_bytes(b"".join(blob.bytes() for blob in identity.cert_chain_pems))
    text = EXAMPLE.read_text()
    for theirs, ours in {
        "server 127.0.0.1:18000;": f"server {upstream};",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/nginx/tls/stenod.pem": str(directory / "stenod.pem"),
        "/etc/nginx/tls/stenod.key": str(directory / "stenod.key"),
        "proxy_read_timeout 1h;": f"proxy_read_timeout {read_timeout};",
    }.items():
        assert text.count(theirs) == 1, theirs
        text = text.replace(theirs, ours)
    return text


@asynccontextmanager
async def proxied(directory: Path, node: HttpNode, *, read_timeout: str = "1h") -> AsyncIterator[httpx.AsyncClient]:
    """A client whose calls go through nginx, with TLS."""
    port, authority = free_port(), trustme.CA()
    site = filled_in(directory, node.node.http_address, port, authority, read_timeout)
    temporary = "\n".join(
        f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (directory / "nginx.conf").write_text(
        f"daemon off; master_process off; worker_processes 1; pid {directory}/pid; error_log stderr warn;\n"
        f"events {{}}\nhttp {{ access_log off;\n{temporary}\n{site}\n}}\n"
    )
    assert NGINX
    log = (directory / "nginx.log").open("wb")
    nginx = await asyncio.create_subprocess_exec(
        NGINX, "-c", str(directory / "nginx.conf"), "-p", str(directory), stdout=log, stderr=log
    )
    context = ssl.create_default_context()
    authority.configure_trust(context)
    try:
        await eventually(lambda: nginx.returncode is not None or _listens(port))
        assert nginx.returncode is None, (directory / "nginx.log").read_text()
        async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=context, timeout=60) as client:
            yield client
    finally:
        if nginx.returncode is None:
            nginx.send_signal(signal.SIGQUIT)
        await asyncio.wait_for(nginx.wait(), 30)
        log.close()


def _listens(port: int) -> bool:
    return any(
        line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
    )


def node(directory: Path, engine: FakeEngine | None = None, **settings: Any) -> Any:
    parts = {"fetcher": ScriptedFetcher({URL: b"RIFF"}), "front_end": ScriptedFrontEnd(make_windows(1))}
    return http_node(directory, engine, **{**parts, **settings})


def held() -> FakeEngine:
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    return engine


async def test_a_synchronous_call_passes_with_its_request_id(tmp_path: Path) -> None:
    async with node(tmp_path) as http, proxied(tmp_path, http) as client:
        answer = await client.post("/transcribe/url", json={"audio_url": URL})
    assert (answer.status_code, answer.json()["blob"]) == (200, "32000-0 32000-1")
    assert len(answer.headers["x-request-id"]) == 32  # nginx made it


async def test_signs_of_life_keep_a_call_open_beyond_the_proxys_time_out(tmp_path: Path) -> None:
    engine = held()
    async with (
        node(tmp_path, engine, http_keep_alive_s=0.25) as http,
        proxied(tmp_path, http, read_timeout="1s") as client,
        client.stream("POST", "/transcribe/url", json={"audio_url": URL}) as answer,
    ):
        assert engine.gate
        body = b""
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) == 8:  # two seconds of blanks
                engine.gate.set()
    assert body.startswith(b"        {")
    assert b'"blob":"32000-0 32000-1"' in body


async def test_a_silent_call_is_cut_by_the_proxy_and_its_job_ends_too(tmp_path: Path) -> None:
    engine = held()
    async with (
        node(tmp_path, engine, http_keep_alive_s=600.0, disconnect_grace_s=0.0) as http,
        proxied(tmp_path, http, read_timeout="1s") as client,
    ):
        answer = await client.post("/transcribe/url", json={"audio_url": URL})
        assert answer.status_code == 504
        await eventually(lambda: engine.cancelled == 1)


async def test_an_upload_passes_piece_by_piece_as_it_is_sent(tmp_path: Path) -> None:
    boundary, sent = b"b0undary", 0
    async with node(tmp_path) as http, proxied(tmp_path, http) as client:
        media = tmp_path / "data"

        async def form() -> AsyncIterator[bytes]:
            nonlocal sent
            yield b"--" + boundary + b'\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'
            yield os.urandom(6 * MIB)
            sent = 6 * MIB
            # The rest is sent once the first half has reached the node's disk: a proxy that collects waits for ever.
            await eventually(lambda: any(p.stat().st_size >= MIB for p in _files(media)))
            yield os.urandom(6 * MIB) + b"\r\n--" + boundary + b"--\r\n"

        headers = {"Content-Type": f"multipart/form-data; boundary={boundary.decode()}"}
        answer = await client.post("/transcribe/async", content=form(), headers=headers)
        assert (answer.status_code, answer.json()["status"], sent) == (200, "queued", 6 * MIB)


async def test_a_recording_over_the_limit_is_refused_in_the_words_of_the_dialect(tmp_path: Path) -> None:
    async with node(tmp_path, guide_max_media_bytes=2 * MIB) as http, proxied(tmp_path, http) as client:
        refused = await client.post("/transcribe/async", files={"audio": bytes(3 * MIB)})
    assert (refused.status_code, refused.json()) == (413, {"detail": "File exceeds 2MB limit"})


async def test_events_arrive_while_the_job_runs(tmp_path: Path) -> None:
    engine = held()
    form: dict[str, Any] = {"files": {"file": b"RIFF"}, "data": {"model": "whisper-1", "stream": "true"}}
    async with (
        node(tmp_path, engine, http_keep_alive_s=0.05) as http,
        proxied(tmp_path, http) as client,
        client.stream("POST", "/v1/audio/transcriptions", **form) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert engine.gate
        lines = []
        async for line in answer.aiter_lines():
            lines.append(line)
            if engine.in_flight:  # something arrived, although nothing is done
                assert engine.completed == 0
                engine.gate.set()
    assert engine.gate.is_set()
    assert any("transcript.text.done" in line for line in lines)


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and "media" in str(path)]
