"""What the tests run in: locks that agree, since they fill one environment; in CI, all that a test asks for."""

import ast
import importlib.util
import os
import re
from functools import cache

import pytest

from tests.support.speech import PROJECT_ROOT


@cache
def _pins(lock: str) -> frozenset[str]:
    text = (PROJECT_ROOT / "requirements" / f"{lock}.lock").read_text()
    return frozenset(re.findall(r"^([a-z0-9._-]+==[^\s\\]+)", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("first", "second"),
    [("runtime", "export"), ("runtime", "dev"), ("export", "dev"), ("runtime", "cluster"), ("cluster", "dev")],
)
def test_locks_of_one_environment_agree(first: str, second: str) -> None:
    both = {pin.partition("==")[0] for pin in _pins(first)} & {pin.partition("==")[0] for pin in _pins(second)}
    assert len(both) > 50
    assert sorted(pin for pin in _pins(first) ^ _pins(second) if pin.partition("==")[0] in both) == []


def test_torch_is_the_build_for_cpus() -> None:
    names = {pin.partition("==")[0]: pin for pin in _pins("export")}
    assert names["torch"].endswith("+cpu")
    assert {name for name in names if name.startswith(("nvidia-", "triton"))} == {"nvidia-pytriton", "tritonclient"}


def _asked_for() -> set[str]:
    """The modules without which a test is skipped."""
    calls = (
        node
        for path in (PROJECT_ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "importorskip"
    )
    return {ast.literal_eval(call.args[0]).partition(".")[0] for call in calls}


def test_ci_skips_nothing_for_want_of_a_package() -> None:
    wanted = _asked_for()
    assert {"torch", "transformers"} <= wanted
    missing = sorted(name for name in wanted if importlib.util.find_spec(name) is None)
    if missing and not os.environ.get("CI"):
        pytest.skip(f"{', '.join(missing)}: make setup-export")
    assert missing == []
