"""Proof: every overlay of deploy/k8s is what Kubernetes understands, fits together, and is confined; so is deploy/aws.

    make prove-manifests

Builds each overlay (kustomize), validates every object strictly against the schemas of the oldest and the newest
Kubernetes it is for, holds the parts against each other and against stenod (settings, ports, probes, metrics), and has
checkov look at it, which is installed into an environment of its own at the first run. Then every fault of
tests/support/manifest_mutations.yaml is made, and the check that has to see it must. The template of deploy/aws is
looked at by cfn-lint, by rules about its rights and its wiring, and by checkov. Exit status 1 where a check finds
something, or does not find what it should.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.support import aws_rules
from tests.support.manifest_mutations import MUTATIONS, Mutation
from tests.support.manifest_rules import RULES, faults
from tests.support.manifests import K8S, OVERLAYS, Object, build, schema_faults, versions_of
from tests.support.speech import PROJECT_ROOT

CHECKOV: Final = (PROJECT_ROOT / "scripts" / "checkov", "--output", "json")
CFN_LINT: Final = PROJECT_ROOT / ".venv" / "bin" / "cfn-lint"


def checkov(overlays: Mapping[str, Sequence[Object]]) -> tuple[dict[str, list[str]], dict[str, int]]:
    """What it finds, and how many checks passed, by name. Raises CalledProcessError where it cannot be run."""
    with tempfile.TemporaryDirectory() as directory:
        for name, objects in overlays.items():
            (Path(directory) / f"{name}.yaml").write_text(yaml.safe_dump_all(objects))
        results = _checkov("--config-file", K8S / "checkov.yaml", "--directory", directory)
    found: dict[str, list[str]] = {name: [] for name in overlays}
    passed = dict.fromkeys(overlays, 0)
    for check in results["failed_checks"]:
        name = Path(check["file_path"]).stem
        found[name].append(f"{check['check_id']} {check['resource']}: {check['check_name']}")
    for check in results["passed_checks"]:
        passed[Path(check["file_path"]).stem] += 1
    return found, passed


def _checkov(*options: str | Path) -> dict[str, list[dict[str, Any]]]:
    run = subprocess.run([*map(str, (*CHECKOV, *options))], capture_output=True, text=True, check=False)
    if run.returncode not in {0, 1}:
        raise subprocess.CalledProcessError(run.returncode, run.args, run.stdout, run.stderr)
    results: dict[str, list[dict[str, Any]]] = json.loads(run.stdout)["results"]
    return results


def _overlays(console: Console) -> int:
    """Print overlay by check; gives how many faults there are."""
    built = {overlay: build(overlay) for overlay in OVERLAYS}
    guarded, passed = checkov(built)
    table = Table(
        "overlay", "objects", "Kubernetes", "schema faults", "rules", "rule faults", "checkov passed", "failed"
    )
    every = []
    for overlay, objects in built.items():
        versions = versions_of(overlay)
        schema, rules = schema_faults(objects, versions), faults(objects)
        every += [f"{overlay}: {fault}" for fault in (*schema, *rules, *guarded[overlay])]
        cells = (len(objects), " ".join(versions), len(schema), len(RULES), len(rules))
        table.add_row(overlay, *map(str, cells), str(passed[overlay]), str(len(guarded[overlay])))
    console.print(table)
    for fault in every:
        console.print(fault, style="red", markup=False)
    return len(every)


def _mutations(console: Console) -> int:
    """Print check by mutations; gives how many were missed."""
    for_checkov = [mutation for mutation in MUTATIONS if mutation.check == "checkov"]
    guarded, _ = checkov({str(number): one.objects() for number, one in enumerate(for_checkov)})
    said = {one: guarded[str(number)] for number, one in enumerate(for_checkov)}
    for mutation in track(MUTATIONS, "mutations", console=console, transient=True):
        said.setdefault(mutation, _said(mutation))
    missed = [one for one in MUTATIONS if not any(one.says in fault for fault in said[one])]
    table = Table("check", "mutations", "seen", "missed")
    for check in ("schema", "rules", "checkov"):
        of_check = [mutation for mutation in MUTATIONS if mutation.check == check]
        count = sum(mutation in missed for mutation in of_check)
        table.add_row(check, *map(str, (len(of_check), len(of_check) - count, count)))
    console.print(table)
    for mutation in missed:
        console.print(f"missed: {mutation.title}; said: {said[mutation]}", style="red", markup=False)
    return len(missed)


def _said(mutation: Mutation) -> list[str]:
    if mutation.check == "rules":
        return faults(mutation.objects())
    before = build(mutation.overlay)
    changed = [found for found in mutation.objects() if found not in before]
    return schema_faults(changed, versions_of(mutation.overlay))


def _aws(console: Console) -> int:
    """Print what is said of the template; gives how many faults there are."""
    lint = subprocess.run([CFN_LINT, aws_rules.TEMPLATE], capture_output=True, text=True, check=False)
    template = aws_rules.load()
    rules = aws_rules.faults(template)
    results = _checkov("--config-file", aws_rules.TEMPLATE.with_name("checkov.yaml"), "--file", aws_rules.TEMPLATE)
    failed = [f"{check['check_id']} {check['resource']}: {check['check_name']}" for check in results["failed_checks"]]
    table = Table("template", "resources", "cfn-lint", "rules", "rule faults", "checkov passed", "failed")
    said = "clean" if lint.returncode == 0 else f"status {lint.returncode}"
    counts = (
        len(template["Resources"]),
        said,
        len(aws_rules.RULES),
        len(rules),
        len(results["passed_checks"]),
        len(failed),
    )
    table.add_row("pipeline", *map(str, counts))
    console.print(table)
    every = [*([lint.stdout] if lint.returncode else []), *rules, *failed]
    for fault in every:
        console.print(fault, style="red", markup=False)
    return len(every)


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    console = Console(width=120)
    return 1 if _overlays(console) + _mutations(console) + _aws(console) else 0


if __name__ == "__main__":
    sys.exit(main())
