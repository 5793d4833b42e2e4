"""`python -m stenod_server`, and the `stenod` command."""

import os
import sys


def main() -> None:
    try:
        from stenod_server.cli.root import app  # noqa: PLC0415  its absence is what is told
    except ModuleNotFoundError as error:
        # The bare distribution is the client alone; the command comes with its own dependencies.
        if error.name not in {"typer", "rich"}:
            raise
        sys.exit("the stenod command needs the extra `server`: pip install 'stenod[server]', or 'stenod[embedded]'")
    try:
        app(prog_name="stenod")
    except SystemExit as ended:
        if "obstore" in sys.modules and isinstance(ended.code, int | None):
            _leave_at_once(ended.code or 0)
        raise


def _leave_at_once(status: int) -> None:
    """End the process without taking the interpreter down. obstore's threads cannot be ended and may want it once more:
    then they abort the process, and its status is lost (PyO3/pyo3-async-runtimes#40).
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
