import re
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.prometheus import (
    DEPLOY,
    RULE_TESTS,
    RULES,
    alerts,
    exported_names,
    metric_names,
    promtool,
    rule_files,
    rules,
    run_tests,
    with_comparison,
    without_waiting,
)

DOCUMENT = DEPLOY.parent / "docs" / "operations.md"


def test_promtool_reads_rules_and_configuration() -> None:
    for checked in (
        promtool("check", "rules", *sorted(RULES.glob("*.yaml"))),
        promtool("check", "config", DEPLOY / "prometheus" / "prometheus.yaml"),
    ):
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_fires_and_clears_in_promtools_tests(tmp_path: Path) -> None:
    assert run_tests(rule_files(), tmp_path) == set()


def test_every_alert_has_a_test_in_which_it_fires_and_one_in_which_it_is_quiet() -> None:
    fired: set[str] = set()
    quiet: set[str] = set()
    for path in RULE_TESTS.glob("*.yaml"):
        for test in yaml.safe_load(path.read_text())["tests"]:
            for check in test["alert_rule_test"]:
                (fired if check["exp_alerts"] else quiet).add(check["alertname"])
    assert fired == quiet == set(alerts())


@pytest.mark.parametrize(
    "mutate",
    [without_waiting, partial(with_comparison, place=0, stricter=True)],  # all the others: tests/proofs/alerts.py
    ids=["without for", "twice the threshold"],
)
def test_promtools_tests_see_a_rule_that_is_changed(mutate: Callable[[dict[str, Any]], bool], tmp_path: Path) -> None:
    files = deepcopy(rule_files())
    changed = {rule["alert"] for rule in rules(files) if "alert" in rule and mutate(rule)}
    assert len(changed) > 10
    assert run_tests(files, tmp_path) == changed


def test_rules_read_metrics_that_are_exported() -> None:
    read = {name for rule in rules(rule_files()) for name in metric_names(rule["expr"])}
    assert len(read) > 15
    ours = {name for name in read if not name.startswith("stenod_eval_")}  # `stenod eval` pushes those
    assert ours - exported_names() == set()


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    headings = set(re.findall(r"^#{3,4} (\w+)$", DOCUMENT.read_text(), re.MULTILINE))
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in {"critical", "warning"}, name
        assert rule["annotations"]["summary"], name
        assert rule["annotations"]["description"], name
        assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{name.lower()}"
        assert name in headings, f"docs/operations.md does not tell what to do about {name}"
