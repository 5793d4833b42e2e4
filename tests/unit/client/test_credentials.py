"""What the client shows, over real TLS."""

from pathlib import Path

import grpc
import pytest
import trustme

import stenod
from tests.support.credentials import TlsFolder
from tests.unit.client.conftest import IMPATIENT
from tests.unit.client.scripted import Script, scripted_server


async def test_a_server_is_trusted_by_its_ca_and_shown_a_certificate_and_a_key(script: Script, tmp_path: Path) -> None:
    authority, folder = trustme.CA(), TlsFolder(tmp_path)
    folder.write_ca(authority)
    folder.write("me", authority.issue_cert("me.example.org"))
    issued = authority.issue_cert("127.0.0.1")
    pair = (issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes())
    server = grpc.ssl_server_credentials([pair], root_certificates=authority.cert_pem.bytes(), require_client_auth=True)
    async with scripted_server(script, credentials=server) as address:
        async with stenod.Client(address, credentials=folder.client("me"), api_key="stn_x") as client:
            assert (await client.capacity()).max_engines == 4
        assert script.metadata["authorization"] == "Bearer stn_x"
        for credentials in (folder.client(), stenod.tls()):
            async with stenod.Client(address, credentials=credentials, retry=IMPATIENT) as stranger:
                with pytest.raises(stenod.errors.Unavailable):
                    await stranger.health()
    assert len(script.calls) == 1


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="go together"):
        stenod.tls(cert_file=tmp_path / "me.pem")
    with pytest.raises(FileNotFoundError):
        stenod.tls(ca_file=tmp_path / "nothing.pem")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "[::1]:1", "localhost:1", "127.8.9.1:1", "dns:///localhost:1"])
def test_loopback_is_known(address: str) -> None:
    assert stenod.is_loopback(address)


@pytest.mark.parametrize(
    "address", ["10.0.0.1:1", "0.0.0.0:1", "stt.example.org:1", "[2001:db8::1]:1", "127.example:1"]
)
def test_what_leaves_the_machine_is_known(address: str) -> None:
    assert not stenod.is_loopback(address)
