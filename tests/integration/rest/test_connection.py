"""Connections that do not behave, and TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import trustme
from starlette.responses import PlainTextResponse

from stenod_server.access.options import TlsFiles
from stenod_server.access.tls_files import watch_identity
from stenod_server.errors import InvalidField
from stenod_server.rest import connection
from stenod_server.rest.server import HttpOptions, serving
from tests.support.builders import FakeClock

APP = PlainTextResponse("well")
OPTIONS = HttpOptions(setting="http_listen", address="127.0.0.1:0", max_connections=3)
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with serving(APP, OPTIONS) as bound:
        yield bound


async def _open(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def _is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), 20) == b""
    except ConnectionResetError:
        return True


async def test_one_connection_too_many_is_closed_and_the_others_are_served(address: str) -> None:
    held = [await _open(address) for _ in range(3)]
    for reader, writer in held:
        writer.write(REQUEST)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    reader, writer = await _open(address)
    assert await _is_closed(reader)
    for _, other in [*held, (reader, writer)]:
        other.close()


async def test_a_head_that_does_not_come_is_not_waited_for(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.2)
    for said in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nA: b\r\n", REQUEST + REQUEST[:9]):
        reader, writer = await _open(address)
        writer.write(said)
        if said.startswith(REQUEST):
            assert b"well" in await reader.readuntil(b"well")
        assert await _is_closed(reader)
        writer.close()


async def test_a_head_without_end_is_not_read(address: str) -> None:
    reader, writer = await _open(address)
    writer.write(b"GET / HTTP/1.1\r\n" + b"A: 0123456789\r\n" * 8000)
    assert await _is_closed(reader)
    writer.close()


async def test_an_idle_connection_may_be_used_again(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.1)
    reader, writer = await _open(address)
    for _ in range(2):
        writer.write(REQUEST)
        await reader.readuntil(b"well")
        await asyncio.sleep(0.3)  # longer than a head may take: between requests none is on its way
    writer.close()


async def test_a_taken_port_is_named(address: str) -> None:
    taken = HttpOptions(setting="http_listen", address=address, max_connections=3)
    with pytest.raises(InvalidField, match=r"http_listen: .* cannot be bound"):
        async with serving(APP, taken):
            pass


async def test_certificates_are_renewed_under_a_running_server(tmp_path: Path) -> None:
    authority, clock = trustme.CA(), FakeClock()
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def issue(name: str) -> None:
        issued = authority.issue_cert("localhost", common_name=name)
        issued.private_key_pem.write_to_path(key)
        issued.cert_chain_pems[0].write_to_path(cert)

    issue("first")
    files = watch_identity(TlsFiles(cert_file=cert, key_file=key), clock)
    options = HttpOptions(setting="http_listen", address="127.0.0.1:0", max_connections=3, tls=files)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async with serving(APP, options) as bound:
        port = int(bound.rpartition(":")[2])

        async def shown() -> str:
            reader, writer = await asyncio.open_connection("localhost", port, ssl=trusting)
            certificate = writer.get_extra_info("ssl_object").getpeercert()
            writer.write(REQUEST)
            await reader.readuntil(b"well")
            writer.close()
            return str(certificate["subject"])

        assert "first" in await shown()
        issue("second")
        clock.advance(3600)
        assert "second" in await shown()
        with pytest.raises(httpx.HTTPError):
            await httpx.AsyncClient().get(f"http://localhost:{port}/")


async def test_callers_without_a_certificate_are_not_heard_where_one_is_asked_for(tmp_path: Path) -> None:
    authority, callers = trustme.CA(), trustme.CA()
    issued, theirs = authority.issue_cert("localhost"), callers.issue_cert("caller")
    cert, key, ca = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem"
    issued.private_key_pem.write_to_path(key)
    issued.cert_chain_pems[0].write_to_path(cert)
    callers.cert_pem.write_to_path(ca)
    files = watch_identity(TlsFiles(cert_file=cert, key_file=key, client_ca_file=ca), FakeClock())
    options = HttpOptions(setting="http_listen", address="127.0.0.1:0", max_connections=3, tls=files)
    trusting, showing = ssl.create_default_context(), ssl.create_default_context()
    authority.configure_trust(trusting)
    authority.configure_trust(showing)
    theirs.configure_cert(showing)

    async with serving(APP, options) as bound:
        url = f"https://localhost:{bound.rpartition(':')[2]}/"
        async with httpx.AsyncClient(verify=trusting) as stranger:
            with pytest.raises(httpx.HTTPError):
                await stranger.get(url)
        async with httpx.AsyncClient(verify=showing) as known:
            assert (await known.get(url)).text == "well"
