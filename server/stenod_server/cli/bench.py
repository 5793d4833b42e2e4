"""`stenod bench`: the benchmarks live in the source tree, beside the peers they measure against."""

import subprocess
import sys
from pathlib import Path

import typer

from stenod_server.cli.connection import fail

_CHECKOUT = Path(__file__).resolve().parents[3]


def bench(context: typer.Context) -> None:
    """Measure the service against its peers.

    Needs a checkout of stenod. All arguments go to `python -m bench`; `stenod bench profile -o FILE` measures this
    machine for `stenod plan`.
    """
    if not (_CHECKOUT / "bench" / "__main__.py").is_file():
        fail("the benchmarks are part of the source tree: run `make bench` in a checkout of stenod")
    is_profile = context.args[:1] == ["profile"]
    module, arguments = ("bench.profile", context.args[1:]) if is_profile else ("bench", context.args)
    command = [sys.executable, "-m", module, *arguments]
    raise typer.Exit(subprocess.run(command, cwd=_CHECKOUT, check=False).returncode)  # noqa: S603  our own module
