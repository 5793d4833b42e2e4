import asyncio
import json
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from stenod.v1 import job_pb2
from stenod_server.cli.root import app
from stenod_server.settings import Settings
from tests.unit.cli.conftest import Stenod, run_stenod
from tests.unit.client.scripted import Script, finish

HEAVY = {
    "grpc",
    "numpy",
    "onnx",
    "onnxruntime",
    "sqlalchemy",
    "av",
    "tritonclient",
    "stenod_models",
    "pydantic_settings",
}


@pytest.fixture
def jobs(script: Script) -> dict[str, job_pb2.Job]:
    for name in ("first", "second", "broken"):
        job = job_pb2.Job(job_id=name, state=job_pb2.JOB_STATE_RUNNING)
        job.media.file_name = f"{name}.wav"
        script.jobs[name] = job
    finish(script.jobs["first"], 3)
    finish(script.jobs["broken"], 3)
    return script.jobs


@pytest.mark.usefixtures("jobs")
async def test_jobs_are_listed_as_columns_or_json_up_to_a_limit(stenod: Stenod) -> None:
    table = await stenod("jobs", "list")
    limited = await stenod("jobs", "list", "--format", "json", "--limit", "2")
    running = await stenod("jobs", "list", "--state", "running")

    assert [line.split()[0] for line in table.out.splitlines()] == ["JOB", "broken", "second", "first"]
    assert [job["job_id"] for job in json.loads(limited.out)] == ["broken", "second"]
    assert [line.split()[:2] for line in running.out.splitlines()[1:]] == [["second", "RUNNING"]]


@pytest.mark.usefixtures("jobs")
async def test_a_job_is_shown_with_its_error(stenod: Stenod) -> None:
    shown = await stenod("jobs", "get", "broken")
    unknown = await stenod("jobs", "get", "nobody")

    assert "UNSUPPORTED_MEDIA: the media cannot be decoded: no audio stream" in shown.out
    assert (unknown.status, unknown.err) == (1, "stenod: job 'nobody' does not exist\n")


@pytest.mark.usefixtures("jobs")
async def test_watching_ends_with_the_job_and_tells_whether_it_succeeded(stenod: Stenod) -> None:
    succeeded = await stenod("jobs", "watch", "second", "--segments")
    failed = await stenod("jobs", "watch", "broken")

    assert (succeeded.status, succeeded.out) == (0, "The best of all times.\n" * 3)
    assert (failed.status, failed.err) == (1, "stenod: the media cannot be decoded: no audio stream\n")


@pytest.mark.usefixtures("jobs")
async def test_a_watch_says_who_spoke_once_that_is_known(stenod: Stenod, script: Script) -> None:
    script.segment_count, script.final_count = 1, 2
    watched = await stenod("jobs", "watch", "second", "--segments")
    assert watched.out == "The best of all times.\nS1: The best of all times.\nS2: The best of all times.\n"


async def test_jobs_are_cancelled_and_deleted_each_on_its_own(stenod: Stenod, jobs: dict[str, job_pb2.Job]) -> None:
    deleted = await stenod("jobs", "delete", "second", "nobody", "first")
    forced = await stenod("jobs", "delete", "--force", "second")
    cancelled = await stenod("jobs", "cancel", "broken")

    assert (deleted.status, deleted.out) == (1, "first  SUCCEEDED\n")
    assert deleted.err == "second: the job runs\nnobody: job 'nobody' does not exist\n"
    assert (forced.status, cancelled.out, list(jobs)) == (0, "broken  CANCELLED\n", ["broken"])


async def test_capacity_is_shown_for_people_and_programs(stenod: Stenod) -> None:
    table = await stenod("capacity")
    as_json = await stenod("capacity", "--format", "json")

    assert "engines           1 of 4 reserved" in table.out
    assert json.loads(as_json.out)["max_engines"] == 4


async def test_health_exits_0_when_the_node_serves_and_1_otherwise(stenod: Stenod) -> None:
    ready, capacity = await stenod("health"), await stenod("health", "--service", "capacity")
    nobody = await run_stenod("health", "--server", "127.0.0.1:1")

    assert (ready.status, ready.out) == (0, "SERVING\n")
    assert (capacity.status, capacity.out) == (1, "NOT_SERVING\n")
    assert (nobody.status, "stenod serve" in nobody.err) == (1, True)


async def test_models_that_can_be_added_are_listed_and_unknown_ones_refused(tmp_path: Path) -> None:
    listed = await run_stenod("models", "list", "--format", "json", STENOD_DATA_DIR=str(tmp_path))
    added = await run_stenod("models", "add", "nothing", "--models-dir", str(tmp_path))
    removed = await run_stenod("models", "remove", "moonshine-tiny-en", "--models-dir", str(tmp_path))

    assert {"moonshine-tiny-en": "available"}.items() <= {
        m["name"]: m["status"] for m in json.loads(listed.out)
    }.items()
    assert (added.status, "no model is called 'nothing'" in added.err) == (1, True)
    assert (removed.status, "there is no model" in removed.err) == (1, True)


async def test_help_of_a_client_command_imports_nothing_heavy() -> None:
    program = (
        "import sys; sys.argv = ['stenod', 'transcribe', '--help']\n"
        "from stenod_server.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: print('MODULES', *sys.modules)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()

    modules = set(out.decode().partition("MODULES")[2].split())
    assert "typer" in modules
    assert modules.isdisjoint(HEAVY)


@pytest.mark.parametrize(("command", "status"), [(["models", "list"], 0), (["serve", "--listen", "nowhere"], 1)])
async def test_the_status_of_a_command_survives_threads_that_abort_the_interpreter_at_its_end(
    command: list[str], status: int, tmp_path: Path
) -> None:
    program = (
        "import atexit, os, sys, obstore\n"
        "atexit.register(os.abort)\n"
        f"sys.argv = ['stenod', *{command}]\n"
        "from stenod_server.__main__ import main\n"
        "main()"
    )
    environment = {**os.environ, "STENOD_DATA_DIR": str(tmp_path)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program), stdout=asyncio.subprocess.PIPE, env=environment
    )
    out, _ = await process.communicate()
    assert process.returncode == status
    assert bool(out) is (status == 0)


def test_every_command_explains_itself() -> None:
    def visit(command: Any, path: list[str]) -> None:
        result = CliRunner().invoke(app, [*path, "--help"])
        assert result.exit_code == 0
        assert command.help, path
        for parameter in command.params:
            assert getattr(parameter, "help", None), (path, parameter.name)
        for name, child in getattr(command, "commands", {}).items():
            visit(child, [*path, name])

    visit(get_command(app), [])


def test_every_setting_is_an_option_of_serve_with_the_same_default() -> None:
    serve: Any = get_command(app)
    options = {parameter.name: parameter for parameter in serve.commands["serve"].params}

    tables = {
        "tenants",
        "tenant_defaults",
        "model_aliases",
        "language_models",
    }  # of the file: nobody writes a table on a command line
    assert options.keys() - {"config", "context", "help"} == Settings.model_fields.keys() - tables
    for name, field in Settings.model_fields.items():
        if name in tables:
            continue
        shown = options[name].show_default
        if (
            isinstance(shown, str)
            and isinstance(field.default, str | int | float)
            and not isinstance(field.default, bool)
        ):
            assert shown == f"{field.default:g}" if isinstance(field.default, float) else str(field.default)


async def test_a_bad_setting_is_named(tmp_path: Path) -> None:
    ended = await run_stenod("serve", "--listen", "nowhere", "--data-dir", str(tmp_path))

    assert ended.status == 1
    assert ended.err.startswith("stenod: listen: ")


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]

    assert CliRunner().invoke(app, ["--version"]).stdout == f"stenod {project['version']}\n"


async def test_lists_of_the_file_count_where_the_command_line_gives_none(tmp_path: Path) -> None:
    (tmp_path / "stenod.toml").write_text('fetch_allow = ["10.0.0.0/8"]\nfetch_buckets = [1]\n')
    said = await run_stenod("serve", "--config", str(tmp_path / "stenod.toml"), "--data-dir", str(tmp_path / "data"))
    assert said.status != 0
    assert "fetch_buckets" in said.err
