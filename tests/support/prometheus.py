"""Debian's promtool and prometheus, and the rules and dashboards of deploy/ as data."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from stenod_server.telemetry.metrics import Metrics
from stenod_server.telemetry.tritons import HedgeReport, TritonCollector
from tests.support.speech import PROJECT_ROOT

DEPLOY: Final = PROJECT_ROOT / "deploy"
RULES: Final = DEPLOY / "prometheus" / "rules"
RULE_TESTS: Final = DEPLOY / "prometheus" / "tests"
_COMPARISON: Final = re.compile(r"(?<![=!<>~])(==|>=|<=|>|<)(\s*)(\d+(?:\.\d+)?)")
_METRIC: Final = re.compile(r"\b((?:stenod|nv|DCGM)_\w+)")
_SUFFIXES: Final = ("_bucket", "_sum", "_count")


@cache
def tools() -> Path:
    """Where promtool and prometheus are. Without them: a failure in CI, elsewhere the test is skipped."""
    found = subprocess.run([PROJECT_ROOT / "scripts" / "prometheus-tools"], capture_output=True, text=True, check=False)
    if found.returncode == 0:
        return Path(found.stdout.strip())
    if os.environ.get("CI"):
        pytest.fail(f"no promtool: {found.stderr}")
    pytest.skip(f"no promtool: {found.stderr}")


def promtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(tools() / "promtool"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rule_files() -> Mapping[str, Any]:
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted(RULES.glob("*.yaml"))}


def rules(files: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for file in files.values():
        for group in file["groups"]:
            yield from group["rules"]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules(rule_files()) if "alert" in rule}


def metric_names(expression: str) -> set[str]:
    """The metrics of stenod, Triton and DCGM that an expression reads."""
    return set(_METRIC.findall(expression))


def exported_names() -> set[str]:
    """Every name that a node's metrics page may show, whether or not it was counted yet."""
    metrics = Metrics()
    metrics.registry.register(TritonCollector(lambda: (), lambda: HedgeReport(0, 0)))
    names: set[str] = set()
    for family in metrics.registry.collect():
        suffix = {"counter": ("_total",), "histogram": _SUFFIXES}.get(family.type, ("",))
        names.update(f"{family.name}{one}" for one in suffix)
    return names


# --- mutations ------------------------------------------------------------------------------------------------------


def without_waiting(rule: dict[str, Any]) -> bool:
    """Fire at once. Whether that changes the rule."""
    return rule.pop("for", None) is not None


def with_comparison(rule: dict[str, Any], *, place: int, stricter: bool) -> bool:
    """Compare with twice or half the number: nothing where there was 0. Whether that changes the rule."""
    found = list(_COMPARISON.finditer(rule["expr"]))
    if place >= len(found):
        return False
    sign, blank, number = found[place].groups()
    value = float(number)
    other = (2 * value or 1e9) if stricter else (value / 2 or -1)
    start, end = found[place].span()
    rule["expr"] = f"{rule['expr'][:start]}{sign}{blank}{other:g}{rule['expr'][end:]}"
    return True


def run_tests(files: Mapping[str, Any], directory: Path) -> set[str]:
    """promtool's tests over these rules; the alerts that they find wrong. Fails where promtool finds no alert."""
    rule_dir, test_dir = directory / "rules", directory / "tests"
    rule_dir.mkdir(parents=True)
    test_dir.mkdir()
    for name, file in files.items():
        (rule_dir / f"{name}.yaml").write_text(yaml.safe_dump(file))
    paths = []
    for path in sorted(RULE_TESTS.glob("*.yaml")):
        paths.append(test_dir / path.name)
        paths[-1].write_text(path.read_text())
    ended = promtool("test", "rules", *paths)
    failed = set(re.findall(r"alertname: (\w+), time", ended.stdout + ended.stderr))
    assert bool(failed) == (ended.returncode != 0), ended.stdout + ended.stderr
    return failed
