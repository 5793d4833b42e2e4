"""What commands show to a server, over what, and what they say when it does not do."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from google.rpc import code_pb2
from typer.testing import CliRunner

from stenod_server.cli.root import app
from tests.support.credentials import TlsFolder
from tests.unit.cli.conftest import Ended, Stenod, run_stenod
from tests.unit.client.scripted import Script, make_status, scripted_server

CLIENT_COMMANDS = (("capacity",), ("jobs", "list"), ("transcribe", "-"))
WARNING = "stenod: warning: the key goes out in plain text; add --tls\n"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text("stn_file\n")
    return file


@pytest.fixture
def folder(tmp_path: Path) -> TlsFolder:
    return TlsFolder(tmp_path)


@pytest.fixture
def authority(folder: TlsFolder) -> trustme.CA:
    authority = trustme.CA()
    folder.write_ca(authority)
    return authority


@pytest.fixture
async def secure(script: Script, authority: trustme.CA) -> AsyncIterator[str]:
    """The address of a server that speaks TLS, and asks for a certificate."""
    issued = authority.issue_cert("localhost", "127.0.0.1")
    pair = (issued.private_key_pem.bytes(), b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    credentials = grpc.ssl_server_credentials(
        [pair], root_certificates=authority.cert_pem.bytes(), require_client_auth=True
    )
    async with scripted_server(script, credentials=credentials) as address:
        yield address


@pytest.mark.parametrize("command", CLIENT_COMMANDS, ids=" ".join)
async def test_every_command_that_calls_shows_its_key(
    address: str, script: Script, key_file: Path, command: tuple[str, ...]
) -> None:
    ended = await run_stenod(*command, "--api-key-file", str(key_file), "--server", address, stdin=b"RIFF")

    assert ended.status == 0, ended.err
    assert script.metadata["authorization"] == "Bearer stn_file"


async def test_a_file_goes_before_a_key_and_the_command_line_before_the_environment(
    address: str, script: Script, key_file: Path
) -> None:
    async def shown(*arguments: str, **environment: Any) -> str:
        ended = await run_stenod("capacity", *arguments, STENOD_SERVER=address, **environment)
        assert ended.status == 0, ended.err
        return script.metadata.get("authorization", "")

    assert await shown() == ""
    assert await shown(STENOD_API_KEY="stn_env") == "Bearer stn_env"
    assert await shown("--api-key", "stn_given", STENOD_API_KEY="stn_env") == "Bearer stn_given"
    assert await shown(STENOD_API_KEY="stn_env", STENOD_API_KEY_FILE=str(key_file)) == "Bearer stn_file"


async def test_a_key_in_plain_text_is_warned_of_unless_it_stays_on_the_machine(address: str) -> None:
    port = address.rpartition(":")[2]

    async def told(server: str, **environment: Any) -> Ended:
        # The unspecified address is this machine, and does not look like it.
        return await run_stenod("capacity", "--server", server, no_grpc_proxy="0.0.0.0", **environment)

    outside, inside = await told(f"0.0.0.0:{port}", STENOD_API_KEY="stn_x"), await told(address, STENOD_API_KEY="stn_x")
    keyless = await told(f"0.0.0.0:{port}")

    assert [ended.status for ended in (outside, inside, keyless)] == [0, 0, 0]
    assert [ended.err for ended in (outside, inside, keyless)] == [WARNING, "", ""]


async def test_files_of_tls_encrypt_without_being_told_to(
    secure: str, script: Script, folder: TlsFolder, authority: trustme.CA
) -> None:
    cert, key = folder.write("me", authority.issue_cert("me.example.org"))
    arguments = ("--tls-ca", str(folder.ca_file), "--tls-cert", str(cert), "--tls-key", str(key))

    ended = await run_stenod("capacity", "--server", secure, *arguments, "--api-key", "stn_x")

    assert (ended.status, ended.err) == (0, "")
    assert script.metadata["authorization"] == "Bearer stn_x"


async def test_a_server_that_is_not_trusted_is_not_called(secure: str, script: Script) -> None:
    encrypted = await run_stenod("capacity", "--server", secure, "--tls")
    plain = await run_stenod("capacity", "--server", secure)

    assert (encrypted.status, plain.status) == (1, 1)
    assert encrypted.err.startswith(f"stenod: no stenod server answers at {secure} over TLS: ")
    assert "or add --tls if it speaks TLS" in plain.err
    assert not script.calls


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--api-key-file", "/nowhere/key"), "No such file or directory: '/nowhere/key'"),
        (("--tls-ca", "/nowhere/ca.pem"), "No such file or directory: '/nowhere/ca.pem'"),
        (("--tls-cert", __file__), "a client certificate and its key go together"),
    ],
)
def test_a_file_that_is_no_good_is_named(arguments: tuple[str, ...], said: str) -> None:
    ended = CliRunner().invoke(app, ["capacity", *arguments])

    assert ended.exit_code == 1
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


async def test_a_caller_that_is_refused_is_told_what_to_do(stenod: Stenod, script: Script) -> None:
    script.faults["GetCapacity"] = [
        make_status(code_pb2.UNAUTHENTICATED, "UNAUTHENTICATED", "an API key is needed"),
        make_status(code_pb2.PERMISSION_DENIED, "PERMISSION_DENIED", "GetCapacity needs the scope read"),
    ]

    unknown, narrow = await stenod("capacity"), await stenod("capacity")

    assert (unknown.status, narrow.status) == (1, 1)
    assert "--api-key-file or STENOD_API_KEY" in unknown.err
    assert narrow.err == "stenod: GetCapacity needs the scope read; these credentials do not have it\n"


async def test_a_key_is_in_no_message(stenod: Stenod, script: Script) -> None:
    script.faults["GetCapacity"] = [make_status(code_pb2.INTERNAL, "INTERNAL", "it broke")]

    ended = await stenod("capacity", "--api-key", "stn_secret")

    assert ended.status == 1
    assert "stn_secret" not in ended.err + ended.out
