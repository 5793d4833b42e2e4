"""The house: sizes, names, tables that must be complete."""

import ast
import subprocess
from pathlib import Path

import pytest

from stenod.v1 import error_reason_pb2
from stenod_server import errors
from stenod_server.domain.job import TRANSITIONS, JobState
from stenod_server.rpc import status
from stenod_server.telemetry.metrics import Metrics
from tests.support.speech import PROJECT_ROOT

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
BANNED_NAMES = {"utils", "common", "helpers", "misc", "manager", "base", "types"}


def _sources() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [PROJECT_ROOT / line for line in listed.stdout.split()]
    return [path for path in paths if path.exists() and "_pb2" not in path.name]


def _name(path: Path) -> str:
    return str(path.relative_to(PROJECT_ROOT))


def test_no_file_is_too_long() -> None:
    sources = _sources()
    assert len(sources) > 50
    assert [_name(p) for p in sources if len(p.read_text().splitlines()) > MAX_FILE_LINES] == []


def test_no_function_is_too_long() -> None:
    long_ones = [
        f"{_name(path)}:{node.name}"
        for path in _sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        # Its body: the options of a command are a list, however long.
        and (node.end_lineno or 0) - node.body[0].lineno >= MAX_FUNCTION_LINES
    ]
    assert long_ones == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [_name(path) for path in _sources() if path.stem.strip("_") in BANNED_NAMES] == []


@pytest.mark.parametrize("kind", list(status.every_error()), ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_and_a_reason_of_the_api(kind: type[errors.StenodError]) -> None:
    assert kind in status._CODES
    abstract = {errors.InvalidRequest, errors.NotFound, errors.Unavailable}
    if kind not in abstract and not issubclass(kind, errors.Broken):
        assert f"ERROR_REASON_{kind.reason}" in error_reason_pb2.ErrorReason.keys()  # noqa: SIM118  an enum, not a dict


def test_every_metric_follows_the_naming_rules() -> None:
    names = [family.name for family in Metrics().registry.collect()]
    assert len(names) > 10
    assert [n for n in names if not n.startswith("stenod_") or n.endswith(("_ms", "_minutes", "_kb"))] == []


def test_every_state_is_entered_and_terminal_states_only_expire() -> None:
    entered = {state for (_, _), state in TRANSITIONS.items()} | {JobState.QUEUED}
    assert entered == set(JobState)
    left = {(before, after) for (before, _), after in TRANSITIONS.items() if before.is_terminal}
    assert {after for _, after in left} == {JobState.EXPIRED}


def test_the_state_machine_document_shows_the_table() -> None:
    document = (PROJECT_ROOT / "docs" / "state_machine.md").read_text()
    drawn = {line.strip() for line in document.splitlines() if "-->" in line and ":" in line}
    table = {f"{before} --> {after}: {event}" for (before, event), after in TRANSITIONS.items()}
    assert table == drawn
