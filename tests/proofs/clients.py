"""Proof: unmodified clients of other systems, each with everything it can ask for, at a real server with real speech.

    python -m tests.proofs.clients [CLIENT …]

Prints the table, client by action: `ok`, `-` where the client has no such thing, `FAIL` with the reason below. Exit
status 1 when anything failed.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tests.support.clients import openai_cells, speechmatics_cells
from tests.support.clients.arena import Arena, open_arena
from tests.support.clients.node import NodeScript, node_script
from tests.support.clients.openai import AsyncOpenAi, SyncOpenAi
from tests.support.clients.printed_curl import PrintedCurl
from tests.support.clients.speechmatics import AsyncBatch, Legacy, SyncBatch
from tests.support.models import build_models

COLUMNS: Final = (
    *("submit", "poll", "json", "txt", "srt", "vtt", "verbose", "stream", "list", "models", "fetch", "data", "delete"),
    *("busy", "key", "unknown", "broken", "speaker", "channel", "engines", "user_id", "notify"),
)
CELL_S: Final = 180.0
_WIDTH: Final = 8
Cells = Mapping[str, Callable[[], Awaitable[None]]]


@dataclass(frozen=True, slots=True)
class Row:
    """What came of a client: by column, `ok`, or what went wrong."""

    client: str
    outcomes: dict[str, str] = field(default_factory=dict)

    @property
    def failures(self) -> list[str]:
        return [f"{self.client}, {column}: {said}" for column, said in self.outcomes.items() if said != "ok"]


async def clients(arena: Arena) -> Mapping[str, Cells]:
    """By the name and version of each client: its cells."""
    batch, older, python = (version(name) for name in ("speechmatics-batch", "speechmatics-python", "openai"))
    speechmatics, openai = await node_script("speechmatics_node", "ask.js"), await node_script("openai_node", "call.js")
    sm, oai = speechmatics_cells.Trial, openai_cells.Trial
    return {
        f"speechmatics-batch {batch} async": _speechmatics(sm(AsyncBatch, arena)),
        f"speechmatics-batch {batch} sync": _speechmatics(sm(SyncBatch, arena)),
        f"speechmatics-python {older}": _speechmatics(sm(Legacy, arena)),
        f"@speechmatics/batch-client {_installed(speechmatics, '@speechmatics/batch-client')}": _speechmatics(
            speechmatics_cells.node_trial(speechmatics, arena)
        ),
        f"curl {await _curl_version()}, as printed": _speechmatics(sm(PrintedCurl, arena)),
        f"openai {python} Python async": _openai(oai(AsyncOpenAi, arena)),
        f"openai {python} Python sync": _openai(oai(SyncOpenAi, arena)),
        f"openai {_installed(openai, 'openai')} Node": _openai(openai_cells.node_trial(openai, arena)),
    }


async def try_client(name: str, cells: Cells) -> Row:
    row = Row(name)
    for column, cell in cells.items():
        print(f"{name}: {column} …", file=sys.stderr, flush=True)
        row.outcomes[column] = await _outcome(cell)
    return row


def table(rows: Sequence[Row]) -> str:
    widest = max(len(row.client) for row in rows)
    lines = [" " * widest + "".join(f"{column.replace('_', ' '):>{_WIDTH}}" for column in COLUMNS)]
    for row in rows:
        outcomes = [row.outcomes.get(column, "-") for column in COLUMNS]
        shown = [outcome if outcome in {"ok", "-"} else "FAIL" for outcome in outcomes]
        lines.append(f"{row.client:<{widest}}" + "".join(f"{outcome:>{_WIDTH}}" for outcome in shown))
    return "\n".join(lines + [failure for row in rows for failure in row.failures])


async def main(wanted: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory() as name:
        async with open_arena(Path(name), build_models()) as arena:
            tried = (await clients(arena)).items()
            rows = [
                await try_client(client, cells)
                for client, cells in tried
                if not wanted or any(word in client for word in wanted)
            ]
    print(table(rows))
    cells = [outcome for row in rows for outcome in row.outcomes.values()]
    print(f"{len(cells)} cells, {sum(outcome == 'ok' for outcome in cells)} ok")
    return 1 if not cells or any(row.failures for row in rows) else 0


async def _outcome(cell: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(CELL_S):
            await cell()
    except Exception as error:  # noqa: BLE001  a table of what went wrong wants all of it
        return f"{type(error).__name__}: {error}"
    return "ok"


def _speechmatics(trial: speechmatics_cells.Trial) -> Cells:
    cells = {name: cell for name, cell in speechmatics_cells.CELLS.items() if name not in trial.caller.lacks}
    return _bound(cells, trial)


def _openai(trial: openai_cells.Trial) -> Cells:
    return _bound(openai_cells.CELLS, trial)


def _bound(cells: Mapping[str, Callable[[Any], Awaitable[None]]], trial: object) -> Cells:
    def bind(cell: Callable[[Any], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        return lambda: cell(trial)

    return {name: bind(cell) for name, cell in cells.items()}


def _installed(script: NodeScript, package: str) -> str:
    about = json.loads((script.directory / "node_modules" / package / "package.json").read_text())
    return str(about["version"])


async def _curl_version() -> str:
    curl = shutil.which("curl")
    assert curl, "there is no curl here"
    process = await asyncio.create_subprocess_exec(curl, "--version", stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return out.split()[1].decode()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
