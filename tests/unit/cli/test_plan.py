import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stenod_server.cli.root import app
from stenod_server.planning.profile import profile_json
from tests.unit.planning.test_plan import PROFILE


def _plan(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["plan", *arguments])


@pytest.fixture
def profile(tmp_path: Path) -> str:
    path = tmp_path / "mine.json"
    path.write_text(profile_json(PROFILE))
    return str(path)


def test_a_plan_names_nodes_gpus_waits_and_costs(profile: str) -> None:
    shown = _plan("--hours-per-hour", "200", "--profile", profile, "--price", "2", "--spot-price", "0.5")
    assert shown.exit_code == 0
    lines = dict(line.split("  ", 1) for line in shown.stdout.splitlines())
    assert {name: lines[name].strip() for name in ("nodes", "GPUs", "engines", "utilisation")} == {
        "nodes": "4", "GPUs": "8", "engines": "32", "utilisation": "62 %",
    }  # fmt: skip
    assert lines["on demand"].strip() == "8.000 USD an hour, 0.04000 an hour of audio, 0.0006667 a minute"
    assert lines["spot"].strip().startswith("2.000 USD an hour, 0.01000 an hour of audio")


def test_a_plan_as_json_has_null_for_what_never_ends(profile: str) -> None:
    asked = ("--hours-per-hour", "200", "--nodes", "1", "--profile", profile, "--format", "json")
    shown = _plan(*asked)
    plan = json.loads(shown.stdout, parse_constant=pytest.fail)
    assert (plan["waiting"]["mean_wait_s"], plan["on_demand"]["per_hour"]) == (None, None)
    assert plan["waiting"]["utilisation"] == 2.5


def test_a_gpu_chooses_a_shipped_profile_and_its_price() -> None:
    shown = _plan("--peak-concurrent", "3", "--gpu", "l4", "--format", "json")
    plan = json.loads(shown.stdout)
    assert (plan["nodes"], plan["gpus"], plan["profile"]["machine"]) == (3, 3, "g6.xlarge")
    assert round(plan["on_demand"]["per_audio_minute"], 5) == 0.00011  # as was published with that speed
    assert round(plan["spot"]["per_audio_minute"], 5) == 0.00005
    assert "was not measured with stenod" in shown.stderr


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--hours-per-hour", "0", "--gpu", "l4"), "one of them must be positive"),
        (("--peak-concurrent", "1", "--gpu", "abacus"), "no shipped profile has abacus"),
        (("--peak-concurrent", "1", "--profile", "nowhere.json"), "there is no file and no shipped profile"),
    ],
)
def test_what_cannot_be_planned_is_said(asked: tuple[str, ...], said: str) -> None:
    shown = _plan(*asked)
    assert (shown.exit_code, said in shown.stderr) == (1, True), shown.stderr
