"""schemathesis against a node of this process: what its OpenAPI document says is tried, and what it answers checked."""

import asyncio
import json
import os
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.credentials import make_key
from tests.support.fetcher import ScriptedFetcher
from tests.support.http_node import HttpNode, http_node
from tests.support.waves import talk, write_wav

CONFIG: Final = Path(__file__).with_name("schemathesis.toml")
_ST: Final = Path(sys.executable).with_name("st")
DONE_JOBS: Final = 12
RECORDING: Final = "https://recordings.example/talk.wav"


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a run. `statuses`: of each operation, how often it answered what. `said`: the tool's own report."""

    exit_status: int
    said: str
    statuses: Mapping[str, Counter[int]]

    @property
    def answers(self) -> Counter[int]:
        """How often there was which status, in all."""
        return sum(self.statuses.values(), Counter())

    @property
    def cases(self) -> int:
        return self.answers.total()


@asynccontextmanager
async def documented_node(directory: Path, **settings: Any) -> AsyncIterator[tuple[HttpNode, str]]:
    """A node that asks for keys and fetches from memory, and a key with every scope."""
    access = directory / "access.toml"
    key = make_key(access, scopes=("read", "submit", "admin"))
    fetcher = ScriptedFetcher({RECORDING: write_wav(directory / "talk.wav", talk(2.0)).read_bytes()})
    async with http_node(directory, fetcher=fetcher, access_file=access, parallel=4, attempts=2, **settings) as node:
        yield node, key


async def try_document(node: HttpNode, key: str, directory: Path, *options: str) -> Tried:
    """Run `st` with these options; its report goes into `directory`."""
    events = directory / "events.ndjson"
    config = shutil.copy(CONFIG, directory)
    command = [_ST, "--config-file", config, "run", f"{node.url}/openapi.json", "--url", node.url]
    report = ["--report", "ndjson", "--report-ndjson-path", events, "--output-truncate", "false"]
    (directory / "jobs.dict").write_text(
        "".join(f'"{job_id}"\n' for job_id in [await _done(node, key) for _ in range(DONE_JOBS)])
    )
    process = await asyncio.create_subprocess_exec(
        *map(str, [*command, *report, *options]),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=directory,
        env={
            **os.environ,
            "STENOD_KEY": key,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "NO_COLOR": "1",
            "COLUMNS": "120",
        },
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return Tried(process.returncode, said.decode(), _statuses(events) if events.exists() else {})


async def _done(node: HttpNode, key: str) -> str:
    """A job that has succeeded."""
    config = {"type": "transcription", "transcription_config": {"language": "en"}, "fetch_data": {"url": RECORDING}}
    answer = await node.client.post(
        "/v2/jobs",
        params={"wait": 30},
        headers={"Authorization": f"Bearer {key}"},
        files={"config": (None, json.dumps(config))},
    )
    job = answer.json()
    assert job["status"] == "done", job
    return str(job["id"])


def _statuses(events: Path) -> dict[str, Counter[int]]:
    found: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for line in events.read_bytes().splitlines():
        scenario = json.loads(line).get("ScenarioFinished")
        if not scenario:
            continue
        recorder = scenario["recorder"]
        for case, interaction in recorder.get("interactions", {}).items():
            if interaction["response"]:
                value = recorder["cases"][case]["value"]
                found[f"{value['method']} {value['path']}"][interaction["response"]["status_code"]] += 1
    return dict(found)
