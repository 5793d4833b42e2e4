"""The start-up surface of the containers that stenod replaces: the image's entry point, run as a container runs it."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import httpx
import pytest
import yaml

from stenod_server.errors import InvalidField
from tests.support.eventually import eventually
from tests.support.node import fake_node
from tests.support.restartable import free_port
from tests.support.server import STENOD
from tests.support.speech import PROJECT_ROOT, needs_speech, recordings

ENTRYPOINT = PROJECT_ROOT / "deploy" / "docker" / "entrypoint"
# As printed in the manual of the Speechmatics batch worker, behind the name of its image.
SEED = ["--run-mode", "http", "--parallel=4", "--all-formats", "/output_dir_name"]


@dataclass
class Container:
    """What the entry point started; `log` is all it said."""

    ready: str
    log: Path
    process: asyncio.subprocess.Process


@asynccontextmanager
async def container(
    directory: Path, arguments: Sequence[str], environment: dict[str, str], models_dir: Path
) -> AsyncIterator[Container]:
    """`docker run`, but for the namespaces: the user is no root, the image's variables are set."""
    log = directory / "container.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            str(ENTRYPOINT),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={
                "PATH": f"{_no_root(directory)}:{STENOD.parent}:{os.environ['PATH']}",
                "HOME": str(directory),
                "NO_COLOR": "1",
                "STENOD_DATA_DIR": str(directory / "data"),
                "STENOD_MODELS_DIR": str(models_dir),
                "STENOD_LISTEN": "127.0.0.1:0",
                "STENOD_METRICS_LISTEN": "127.0.0.1:0",
                **environment,
            },
        )
    assert process.stdout
    try:
        async with asyncio.timeout(120):
            ready = (await process.stdout.readline()).decode()
        assert ready.startswith("READY"), log.read_text()
        yield Container(ready, log, process)
        process.send_signal(signal.SIGTERM)  # `docker stop`
        assert await asyncio.wait_for(process.wait(), 60) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _no_root(directory: Path) -> Path:
    """A directory for PATH, whose `id` is that of the image's user: the tests' may be root's."""
    tools = directory / "tools"
    tools.mkdir()
    (tools / "id").write_text("#!/bin/sh\necho 10001\n")
    (tools / "id").chmod(0o755)
    return tools


@pytest.mark.triton
@pytest.mark.parametrize("kind", needs_speech and ["short_en"])
async def test_the_worker_starts_by_its_manual_and_leaves_its_transcripts_in_the_directory(
    tmp_path: Path, built_models_dir: Path, kind: str
) -> None:
    found = [r for r in recordings(kind) if r.text]
    if not found:
        pytest.skip("the speech set ../shared/speech is not here")
    output, port = tmp_path / "output_dir_name", free_port()
    arguments = [*SEED[:-1], str(output)]
    environment = {
        "LICENSE_TOKEN": "eyJ-a-token",
        "SM_BATCH_WORKER_LISTEN_PORT": str(port),
        "SM_BATCH_WORKER_MAX_JOB_HISTORY": "100",
        "DECODER_BEAM_SIZE": "5000",
    }
    async with container(tmp_path, arguments, environment, built_models_dir) as started:
        assert re.search(rf"http=0\.0\.0\.0:{port} .* engines=4$", started.ready)
        assert output.is_dir()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            assert (await client.get("/ready")).json() == {"ready": True, "engines_used": 0}
            form = {"audio": found[0].path.read_bytes()}
            job_id = (await client.post("/transcribe/async", files=form)).json()["job_id"]

        formats = {f"{job_id}.{ending}" for ending in ("json", "txt", "srt", "vtt", "stenod.json")}
        await eventually(lambda: {path.name for path in output.iterdir()} == formats, timeout_s=60)
        assert json.loads((output / f"{job_id}.json").read_text())["results"]
        assert json.loads((output / f"{job_id}.stenod.json").read_text())["text"].strip()
        log = started.log.read_text()
    assert "callers_not_authenticated" in log
    assert "container_environment_read" in log
    assert "DECODER_BEAM_SIZE=5000 is clamped to 1" in log
    assert "eyJ-a-token" not in log


async def test_a_directory_that_cannot_be_written_to_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidField, match=r"^all_formats: .*/file/here cannot be written to: Not a directory"):
        async with fake_node(tmp_path, all_formats=tmp_path / "file" / "here"):
            pass


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (SEED, ["serve", *SEED]),
        ([], ["serve"]),
        (["serve", "--parallel=2"], ["serve", "--parallel=2"]),
        (["transcribe", "a b.wav"], ["transcribe", "a b.wav"]),
        (["--version"], ["--version"]),
        (["--help"], ["--help"]),
    ],
)
async def test_the_entry_point_takes_these_arguments(tmp_path: Path, arguments: list[str], expected: list[str]) -> None:
    assert await _run_entrypoint(tmp_path, arguments, uid=10001) == [expected]


async def test_as_root_it_hands_over_what_is_written_to_and_goes_on_as_nobody_in_particular(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can hand a directory over")
    output = tmp_path / "out put"
    for arguments in (["--all-formats", str(output)], [f"--all-formats={output}"]):
        (ran,) = await _run_entrypoint(tmp_path, arguments, uid=0)
        assert ran == ["serve", *arguments]
        assert output.stat().st_uid == 10001
        assert (tmp_path / "data").stat().st_uid == 10001
        assert (tmp_path / "who").read_text().split() == ["10001", "10001"]
        output.rmdir()


def test_the_image_has_what_the_entry_point_and_the_document_say() -> None:
    text = (PROJECT_ROOT / "deploy" / "docker" / "stenod.Dockerfile").read_text()
    assert ENTRYPOINT.stat().st_mode & 0o111
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    assert copied
    assert [name for line in copied for name in line.split() if not (PROJECT_ROOT / name).exists()] == []
    assert 'ENTRYPOINT ["stenod-entrypoint"]' in text
    assert "10001" in text
    assert re.search(r"^FROM python:3\.11-slim-bookworm$", text, re.MULTILINE)


def test_the_image_that_adds_models_has_the_extra_export() -> None:
    deploy = PROJECT_ROOT / "deploy" / "docker"
    builds = {name: service["build"] for name, service in _services(deploy).items()}
    assert builds["models"] == builds["stenod"] | {"args": {"LOCK": "export"}}
    image = (deploy / "stenod.Dockerfile").read_text()
    assert "\nARG LOCK=cluster\n" in image
    assert " pip install --require-hashes --torch-backend cpu -r requirements/${LOCK}.lock\n" in image


def _services(deploy: Path) -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((deploy / "compose.yaml").read_text())["services"]
    return services


async def _run_entrypoint(directory: Path, arguments: Sequence[str], *, uid: int) -> list[list[str]]:
    """What `stenod` was called with; as whom is in `who`."""
    tools = Path("/tmp") / f"stenod-tools-{os.getpid()}"  # which the other user reaches
    tools.mkdir()
    try:
        who, calls = directory / "who", directory / "calls"
        for path in (who, calls):
            path.write_text("")
            path.chmod(0o666)
        for parent in (directory, *takewhile(lambda above: above != Path(gettempdir()), directory.parents)):
            parent.chmod(0o755)
        (tools / "stenod").write_text(
            f'#!/bin/sh\n{{ /usr/bin/id -u; /usr/bin/id -g; }} > "{who}"\n'
            f'for argument in "$@"; do printf "%s\\n" "$argument"; done > "{calls}"\n'
        )
        (tools / "id").write_text(f"#!/bin/sh\necho {uid}\n")
        for name in ("stenod", "id"):
            (tools / name).chmod(0o755)
        process = await asyncio.create_subprocess_exec(
            str(ENTRYPOINT),
            *arguments,
            env={"PATH": f"{tools}:{os.environ['PATH']}", "STENOD_DATA_DIR": str(directory / "data")},
        )
        assert await process.wait() == 0
        return [calls.read_text().splitlines()]
    finally:
        shutil.rmtree(tools)
