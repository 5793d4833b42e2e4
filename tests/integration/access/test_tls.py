"""The API over real TLS: who is let in by a certificate, and certificates that are renewed under a running node."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

import stenod
from stenod_server.access.watched import LOOK_S
from stenod_server.app.node import Node
from stenod_server.errors import InvalidField
from tests.support.credentials import TlsFolder, make_key
from tests.support.node import fake_node
from tests.support.tenants import HurryingClock
from tests.unit.client.conftest import IMPATIENT

HOST = "127.0.0.1"
CERTIFICATES = """
[[certificates]]
name = "ingest.example.org"
tenant = "archive"
scopes = ["submit", "read"]

[[certificates]]
name = "Reader"
tenant = "newsroom"
scopes = ["read"]
"""


class Site:
    """An operator's files: two CAs, a server's certificate, an access file with certificates and a key."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.folder = TlsFolder(directory)
        self.authority = trustme.CA()
        self.folder.write_ca(self.authority)
        self.renew(self.authority)
        self.access_file = directory / "access.toml"
        self.access_file.write_text(CERTIFICATES)
        self.key = make_key(self.access_file, "newsroom")
        self.clock = HurryingClock()

    def renew(self, authority: trustme.CA) -> None:
        self.cert_file, self.key_file = self.folder.write("server", authority.issue_cert(HOST))

    def issue(self, name: str, *, authority: trustme.CA | None = None, **names: Any) -> grpc.ChannelCredentials:
        self.folder.write(name, (authority or self.authority).issue_cert(*names.pop("alternative", ()), **names))
        return self.folder.client(name)

    @asynccontextmanager
    async def node(self, *, asks_for_certificates: bool = False, **settings: Any) -> AsyncIterator[Node]:
        given = {
            "access_file": self.access_file,
            "tls_cert_file": self.cert_file,
            "tls_key_file": self.key_file,
            "tls_client_ca_file": self.folder.ca_file if asks_for_certificates else None,
        }
        async with fake_node(self.directory, clock=self.clock, **given | settings) as node:
            yield node


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def _client(node: Node, credentials: grpc.ChannelCredentials | None, key: str = "") -> stenod.Client:
    return stenod.Client(node.address, credentials=credentials, api_key=key, retry=IMPATIENT)


async def _answers(node: Node, credentials: grpc.ChannelCredentials | None, key: str = "") -> str:
    """What a call comes to; UNAVAILABLE where there is no handshake."""
    async with _client(node, credentials, key) as client:
        try:
            await client.capacity()
        except stenod.StenodError as error:
            return error.code.name if error.code else str(error)
    return "OK"


async def test_a_certificate_says_whose_the_jobs_are_and_what_may_be_done(site: Site) -> None:
    ingest = site.issue("ingest", alternative=("ingest.example.org",))
    reader = site.issue("reader", common_name="Reader")
    async with site.node(asks_for_certificates=True) as node:
        async with _client(node, ingest) as client:
            job = await client.submit(b"RIFF")
            assert [each.job_id async for each in client.jobs()] == [job.job_id]
        async with _client(node, reader) as client:
            assert [each.job_id async for each in client.jobs()] == []
            with pytest.raises(stenod.errors.NotAllowed) as caught:
                await client.submit(b"RIFF")
        assert caught.value.reason == "PERMISSION_DENIED"


async def test_a_key_goes_before_the_certificate_it_comes_with(site: Site) -> None:
    ingest = site.issue("ingest", alternative=("ingest.example.org",))
    async with site.node(asks_for_certificates=True) as node:
        async with _client(node, ingest, site.key) as client:
            await client.submit(b"RIFF")
        assert len(await _jobs(node, site.issue("reader", common_name="Reader"))) == 1
        assert await _answers(node, ingest, "stn_wrong_key") == "UNAUTHENTICATED"


async def _jobs(node: Node, credentials: grpc.ChannelCredentials) -> list[stenod.Job]:
    async with _client(node, credentials) as client:
        return [job async for job in client.jobs()]


async def test_no_certificate_and_one_of_an_unknown_ca_do_not_connect(site: Site) -> None:
    ingest, stranger = trustme.CA(), "stranger"
    forged = site.issue(stranger, authority=ingest, alternative=("ingest.example.org",))
    unknown = site.issue("unknown", alternative=("nobody.example.org",))
    async with site.node(asks_for_certificates=True) as node:
        assert await _answers(node, forged) == "UNAVAILABLE"
        assert await _answers(node, site.folder.client(), site.key) == "UNAVAILABLE"
        assert await _answers(node, None, site.key) == "UNAVAILABLE"
        assert await _answers(node, unknown) == "UNAUTHENTICATED"


async def test_without_a_client_ca_a_key_does_and_a_certificate_says_nothing(site: Site) -> None:
    ingest = site.issue("ingest", alternative=("ingest.example.org",))
    async with site.node() as node:
        assert await _answers(node, site.folder.client(), site.key) == "OK"
        assert await _answers(node, site.folder.client()) == "UNAUTHENTICATED"
        assert await _answers(node, ingest) == "UNAUTHENTICATED"  # it was not asked for, so it was not verified
        assert await _answers(node, stenod.tls(), site.key) == "UNAVAILABLE"


async def test_a_certificate_is_renewed_under_a_running_node(site: Site) -> None:
    before, renewed = site.folder.client(), trustme.CA()
    async with site.node() as node, _client(node, before, site.key) as open_before:
        await open_before.capacity()
        site.renew(renewed)
        site.folder.write_ca(renewed)
        after = site.folder.client()
        site.clock.ahead_s += LOOK_S

        assert await _answers(node, after, site.key) == "OK"
        assert await _answers(node, before, site.key) == "UNAVAILABLE"
        await open_before.capacity()  # the connection that is open goes on


async def test_the_ca_of_callers_is_renewed_too(site: Site) -> None:
    old, new = site.issue("old", alternative=("ingest.example.org",)), trustme.CA()
    fresh = site.issue("fresh", authority=new, alternative=("ingest.example.org",))
    async with site.node(asks_for_certificates=True) as node:
        assert [await _answers(node, each) for each in (old, fresh)] == ["OK", "UNAVAILABLE"]
        site.folder.write_ca(new)
        site.clock.ahead_s += LOOK_S
        assert [await _answers(node, each) for each in (old, fresh)] == ["UNAVAILABLE", "OK"]


@pytest.mark.parametrize("broken", ["half", "another's key", "gone"])
async def test_files_that_are_broken_later_change_nothing(site: Site, broken: str) -> None:
    async with site.node() as node:
        if broken == "half":
            site.cert_file.write_bytes(site.cert_file.read_bytes()[:100])
        elif broken == "gone":
            site.key_file.unlink()
        else:
            _, key = site.folder.write("other", site.authority.issue_cert(HOST))
            key.replace(site.key_file)
        site.clock.ahead_s += LOOK_S
        with capture_logs() as logs:
            assert [await _answers(node, site.folder.client(), site.key) for _ in range(2)] == ["OK", "OK"]
    assert len([event for event in logs if event["event"] == "access_file_refused"]) == 1
    assert "PRIVATE KEY" not in str(logs)


async def test_files_that_do_not_belong_together_are_named_at_the_start(site: Site) -> None:
    _, other_key = site.folder.write("other", site.authority.issue_cert(HOST))
    for setting, file in (
        ("tls_key_file", other_key),
        ("tls_cert_file", other_key),
        ("tls_client_ca_file", other_key),
        ("tls_key_file", site.directory / "nothing"),
    ):
        changes: dict[str, Any] = {setting: file}
        with pytest.raises(InvalidField) as caught:
            async with site.node(**changes):
                pass
        assert caught.value.field == setting


async def test_the_port_for_probes_needs_neither_tls_nor_a_key_and_has_health_alone(site: Site) -> None:
    async with site.node(health_listen="127.0.0.1:0") as node:
        assert node.health_address != node.address
        async with grpc.aio.insecure_channel(node.health_address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for service in ("", "readiness", "capacity", "liveness"):
                answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
        async with stenod.Client(node.health_address, api_key=site.key, retry=IMPATIENT) as client:
            with pytest.raises(stenod.StenodError) as caught:
                await client.capacity()
        assert caught.value.code is grpc.StatusCode.UNIMPLEMENTED
        async with _client(node, None) as client:
            with pytest.raises(stenod.errors.Unavailable):
                await client.health()
        async with _client(node, site.folder.client()) as client:
            assert await client.health()  # open to probes that do speak TLS
