"""A client that knows nothing of stenod: `buf curl` learns the API by reflection, submits, watches and fetches."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.models import DEFAULT_MODEL
from tests.support.speech import PROJECT_ROOT

pytestmark = pytest.mark.triton

SERVICE = "stenod.v1.TranscriptionService"


async def _call(address: str, method: str, request: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages that come back. Raises AssertionError with buf's words when it fails."""
    process = await asyncio.create_subprocess_exec(
        str(PROJECT_ROOT / ".venv" / "bin" / "buf"),
        "curl",
        "--protocol=grpc",
        "--http2-prior-knowledge",
        "--data=@-",
        f"http://{address}/{SERVICE}/{method}",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd="/",  # no buf.yaml in sight: the schema can only come from the server
    )
    out, err = await process.communicate(json.dumps(request).encode())
    assert process.returncode == 0, err.decode()
    return _messages(out.decode())


def _messages(text: str) -> list[dict[str, Any]]:
    decoder, messages, text = json.JSONDecoder(), [], text.strip()
    while text:
        message, end = decoder.raw_decode(text)
        messages.append(message)
        text = text[end:].strip()
    return messages


async def test_buf_curl_submits_watches_and_fetches(server_address: str, built_models_dir: Path) -> None:
    recording = built_models_dir / DEFAULT_MODEL / "canary.wav"
    inline = base64.b64encode(recording.read_bytes()).decode()
    request = {"media": {"inline": inline, "fileName": recording.name}, "config": {"language": "en"}}
    [submitted] = await _call(server_address, "SubmitJob", request)
    job_id = submitted["job"]["jobId"]
    updates = await _call(server_address, "WatchJob", {"jobId": job_id, "includeSegments": True})
    assert updates[-1]["job"]["state"] == "JOB_STATE_SUCCEEDED"
    seen = [segment["text"] for update in updates for segment in update.get("segments", [])]
    info, *segments = await _call(server_address, "GetTranscript", {"jobId": job_id})
    assert info["info"]["language"] == "en"
    assert [piece["segment"]["text"] for piece in segments] == seen
    assert seen[0].startswith("It was the best of times")
