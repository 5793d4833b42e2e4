"""Calls of the batch API v2 of Speechmatics, and a node with a recogniser that can be held."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from stenod_server.engine.fake import FakeEngine
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.http_node import HttpNode, http_node

CONFIG: Final[dict[str, Any]] = {"type": "transcription", "transcription_config": {"language": "en"}}
AUDIO: Final = b"RIFF of some kind"


def config_with(section: str = "", **changes: Any) -> dict[str, Any]:
    """A good configuration with changes; in a section of it where one is named."""
    if not section:
        return CONFIG | changes
    return CONFIG | {section: CONFIG.get(section, {}) | changes}


@asynccontextmanager
async def speechmatics_node(
    directory: Path, engine: FakeEngine | None = None, **settings: Any
) -> AsyncIterator[HttpNode]:
    """Every recording has four seconds, whatever its bytes are."""
    front_end = ScriptedFrontEnd(make_windows(2))
    async with http_node(directory, engine, **{"front_end": front_end, **settings}) as http:
        await http.node.scheduler.models()
        yield http


async def submit(
    http: HttpNode,
    config: object = CONFIG,
    *,
    audio: bytes | None = AUDIO,
    params: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """`config` is sent as it is where it is a text. `audio` None: none is sent."""
    text = config if isinstance(config, str) else json.dumps(config)
    parts: list[tuple[str, Any]] = [("config", (None, text))]
    if audio is not None:
        parts.append(("data_file", ("speech.wav", audio, "audio/wav")))
    return await http.client.post("/v2/jobs", files=parts, params=params, headers=headers)


async def submitted(http: HttpNode, config: object = CONFIG, **options: Any) -> str:
    answer = await submit(http, config, **options)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    job_id: str = answer.json()["id"]
    return job_id


async def ended(http: HttpNode, job_id: str) -> dict[str, Any]:
    """The job once it does not run any more."""
    job: dict[str, Any] = (await http.client.get(f"/v2/jobs/{job_id}", params={"wait": 30})).json()["job"]
    assert job["status"] != "running"
    return job


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, error and detail; the body says the status, too."""
    body = answer.json()
    assert set(body) == {"code", "error", "detail"}
    assert body["code"] == answer.status_code
    return answer.status_code, body["error"], body["detail"]
