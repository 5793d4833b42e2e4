"""`python -m stenod_server`, and the `stenod` command."""

import sys


def main() -> None:
    try:
        from stenod_server.cli.root import app  # noqa: PLC0415  its absence is what is told
    except ModuleNotFoundError as error:
        # The bare distribution is the client alone; the command comes with its own dependencies.
        if error.name not in {"typer", "rich"}:
            raise
        sys.exit("the stenod command needs the extra `server`: pip install 'stenod[server]', or 'stenod[embedded]'")
    app(prog_name="stenod")


if __name__ == "__main__":
    main()
