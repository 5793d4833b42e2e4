"""The entry point of the one-shot image, with programs in the place of Triton and stenod."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from stenod_server.cli.root import app
from tests.support.eventually import eventually
from tests.support.speech import PROJECT_ROOT

ENTRYPOINT = PROJECT_ROOT / "deploy" / "aws" / "one-shot"
TRITON = "trap 'echo triton ended >> {log}; exit 0' TERM\nwhile :; do sleep 0.02; done"


def _start(
    directory: Path, *arguments: str, stenod: str, triton: str = TRITON, curl: str = ""
) -> subprocess.Popen[bytes]:
    log = directory / "log"
    log.touch()
    for name, script in {"stenod": stenod, "stenod-triton": triton, "curl": curl}.items():
        tool = directory / name
        tool.write_text(f"#!/bin/bash\n{script.format(log=log)}\n")
        tool.chmod(0o755)
    given = {"OUTPUT": "s3://out", "STATE": "s3://out/.checkpoints", "FORMAT": "srt"}
    return subprocess.Popen([ENTRYPOINT, *arguments], env={"PATH": f"{directory}:{os.environ['PATH']}", **given})


_SAYS = 'printf "%s\\n" "$@" "$STENOD_TRITON_URL" >> {log}'


async def test_an_event_s_bucket_and_key_become_one_call_of_stenod(tmp_path: Path) -> None:
    process = _start(tmp_path, "in", "a b/c's 50 %.mp3", stenod=_SAYS)
    assert process.wait(30) == 0
    said = (tmp_path / "log").read_text().splitlines()
    places = ["--output", "s3://out/a b", "--format", "srt", "--state", "s3://out/.checkpoints"]
    assert said[:-2] == ["transcribe", "--embedded", "s3://in/a b/c's 50 %.mp3", *places]
    assert json.loads(said[-2]) == ["127.0.0.1:8001"]
    assert said[-1] == "triton ended"


async def test_a_key_without_a_directory_has_its_transcript_beside_nothing(tmp_path: Path) -> None:
    assert _start(tmp_path, "in", "c.mp3", stenod=_SAYS).wait(30) == 0
    assert (tmp_path / "log").read_text().splitlines()[2:5] == ["s3://in/c.mp3", "--output", "s3://out"]


def _parsed(arguments: list[str]) -> dict[str, Any]:
    """What `stenod transcribe` makes of them. Raises click's UsageError for an option that it has not."""
    command = typer.main.get_command(app).commands["transcribe"]  # type: ignore[attr-defined]
    return dict(command.make_context("transcribe", arguments).params)


async def test_stenod_takes_what_it_is_called_with(tmp_path: Path) -> None:
    assert _start(tmp_path, "in", "b/c.mp3", stenod=_SAYS).wait(30) == 0
    said = _parsed((tmp_path / "log").read_text().splitlines()[1:-2])
    assert said["embedded"] is True
    assert (said["output"], said["state"]) == ("s3://out/b", "s3://out/.checkpoints")


async def test_other_arguments_go_through_as_they_are(tmp_path: Path) -> None:
    assert _start(tmp_path, "s3://in/a", "--output", "s3://o/", stenod=_SAYS).wait(30) == 0
    assert (tmp_path / "log").read_text().splitlines()[:5] == [
        "transcribe",
        "--embedded",
        "s3://in/a",
        "--output",
        "s3://o/",
    ]


@pytest.mark.parametrize("status", [0, 1, 2, 75])
async def test_the_exit_status_is_stenod_s(tmp_path: Path, status: int) -> None:
    assert _start(tmp_path, "in", "key", stenod=f"exit {status}").wait(30) == status


async def test_a_machine_that_is_taken_away_leaves_stenod_its_time(tmp_path: Path) -> None:
    ready = "echo ready >> {log}\nwhile :; do sleep 0.02; done"
    process = _start(tmp_path, "in", "key", stenod=f"trap 'echo checkpoint >> {{log}}; exit 75' TERM\n{ready}")
    await eventually(lambda: "ready" in (tmp_path / "log").read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 75
    assert (tmp_path / "log").read_text().splitlines() == ["ready", "checkpoint", "triton ended"]


async def test_stenod_waits_for_its_models(tmp_path: Path) -> None:
    curl = f"touch {tmp_path / 'asked'}\ntest -e {tmp_path / 'ready'}"
    process = _start(tmp_path, "in", "key", stenod="echo stenod >> {log}", curl=curl)
    await eventually((tmp_path / "asked").exists)
    assert (tmp_path / "log").read_text() == ""
    (tmp_path / "ready").touch()
    assert process.wait(30) == 0
    assert (tmp_path / "log").read_text().splitlines() == ["stenod", "triton ended"]


async def test_models_that_do_not_load_are_a_reason_to_try_again(tmp_path: Path) -> None:
    process = _start(tmp_path, "in", "key", stenod="echo stenod >> {log}", triton="exit 1", curl="exit 22")
    assert process.wait(30) == 75
    assert (tmp_path / "log").read_text() == ""


async def test_a_machine_that_is_taken_away_while_models_load_leaves_nothing_running(tmp_path: Path) -> None:
    curl = f"touch {tmp_path / 'asked'}\nexit 22"
    process = _start(tmp_path, "in", "key", stenod="echo stenod >> {log}", curl=curl)
    await eventually((tmp_path / "asked").exists)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 75
    assert (tmp_path / "log").read_text() == "triton ended\n"


async def test_a_triton_that_ends_first_is_a_reason_to_try_again(tmp_path: Path) -> None:
    stenod = "trap 'echo stopped >> {log}; exit 0' TERM\nwhile :; do sleep 0.02; done"
    assert _start(tmp_path, "in", "key", stenod=stenod, triton="exit 1").wait(30) == 75
