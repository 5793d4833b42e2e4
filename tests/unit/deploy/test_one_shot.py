"""The entry point of the one-shot image, with programs in the place of Triton and stenod."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.speech import PROJECT_ROOT

ENTRYPOINT = PROJECT_ROOT / "deploy" / "aws" / "one-shot"
TRITON = "trap 'echo triton ended >> {log}; exit 0' TERM\nwhile :; do sleep 0.02; done"


def _start(directory: Path, *arguments: str, stenod: str, triton: str = TRITON) -> subprocess.Popen[bytes]:
    log = directory / "log"
    log.touch()
    for name, script in {"stenod": stenod, "stenod-triton": triton}.items():
        tool = directory / name
        tool.write_text(f"#!/bin/bash\n{script.format(log=log)}\n")
        tool.chmod(0o755)
    environment = {"PATH": f"{directory}:{os.environ['PATH']}", "OUTPUT": "s3://out/", "FORMATS": "json,srt"}
    return subprocess.Popen([ENTRYPOINT, *arguments], env=environment)


_SAYS = 'printf "%s\\n" "$@" "$STENOD_TRITON_URL" >> {log}'


async def test_an_event_s_bucket_and_key_become_one_call_of_stenod(tmp_path: Path) -> None:
    process = _start(tmp_path, "in", "a b/c's 50 %.mp3", stenod=_SAYS)
    assert process.wait(30) == 0
    said = (tmp_path / "log").read_text().splitlines()
    options = ["--output", "s3://out/", "--format", "json", "--format", "srt"]
    assert said[:-2] == ["transcribe", "--embedded", "s3://in/a b/c's 50 %.mp3", *options]
    assert json.loads(said[-2]) == ["127.0.0.1:8001"]
    assert said[-1] == "triton ended"


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


async def test_a_triton_that_ends_first_is_a_reason_to_try_again(tmp_path: Path) -> None:
    stenod = "trap 'echo stopped >> {log}; exit 0' TERM\nwhile :; do sleep 0.02; done"
    assert _start(tmp_path, "in", "key", stenod=stenod, triton="exit 1").wait(30) == 75
