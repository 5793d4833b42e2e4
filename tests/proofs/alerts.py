"""Proof: no alert can be broken without promtool's tests seeing it.

    python -m tests.proofs.alerts

Takes `for` from every rule, and doubles and halves the number of each comparison in it, a kind of change at a time;
runs promtool's tests over the changed rules. Exit status 1 unless they pass as they are, and fail for each changed
rule.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.support.prometheus import alerts, rule_files, rules, run_tests, with_comparison, without_waiting

MOST_COMPARISONS: Final = 3


def mutations() -> dict[str, Callable[[dict[str, Any]], bool]]:
    found: dict[str, Callable[[dict[str, Any]], bool]] = {"without for": without_waiting}
    for place in range(MOST_COMPARISONS):
        for stricter in (True, False):
            name = f"comparison {place + 1}: {'twice' if stricter else 'half'} the number"
            found[name] = partial(with_comparison, place=place, stricter=stricter)
    return found


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    missed_in_all = 0
    with tempfile.TemporaryDirectory() as directory:
        failed = run_tests(rule_files(), Path(directory) / "as they are")
        print(f"{'as they are':34}{len(alerts()):3} alerts, {len(failed)} tests fail")
        for name, mutate in mutations().items():
            files = deepcopy(rule_files())
            changed = {rule["alert"] for rule in rules(files) if "alert" in rule and mutate(rule)}
            caught = run_tests(files, Path(directory) / name)
            missed = sorted(changed - caught)
            missed_in_all += len(missed)
            print(f"{name:34}{len(changed):3} changed, {len(changed & caught):2} seen  {' '.join(missed)}", flush=True)
    return 1 if failed or missed_in_all else 0


if __name__ == "__main__":
    sys.exit(main())
