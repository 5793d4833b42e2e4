"""`curl` as the document of the batch worker prints it; the address and the recording are ours."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from tests.support.clients.cell import Refused
from tests.support.clients.speechmatics import PLAIN, Config, words_of
from tests.support.eventually import eventually_so
from tests.support.speechmatics_clients import KEY

ADDRESS: Final = "address.of.container:PORT"
RECORDING: Final = "~/audio_file.mp3"
WITH_SPEAKERS: Final = """curl -X POST address.of.container:PORT/v2/jobs \\
-H 'X-SM-Processing-Data: {"parallel_engines": 2, "user_id": "MY_USER_ID"}' \\
-F 'config={
"type": "transcription",
"transcription_config": {
"language": "en",
"diarization": "speaker",
"operating_point": "enhanced"
}
}' \\
-F 'data_file=@~/audio_file.mp3'
"""
WITH_ENGINES: Final = """curl -X POST address.of.container:PORT/v2/jobs \\
-H 'X-SM-Processing-Data: {"parallel_engines": 2}' \\
-F 'config={"type": "transcription", "transcription_config": {"language": "en"}}' \\
-F 'data_file=@~/audio_file.mp3'
"""
WITH_USER: Final = """curl -X POST address.of.container:PORT/v2/jobs \\
-H 'X-SM-Processing-Data: {"user_id": "MY_USER_ID"}' \\
-F 'config={
"type": "transcription",
"transcription_config": {
"language": "en",
"diarization": "speaker",
"operating_point": "enhanced"
}
}' \\
-F 'data_file=@~/audio_file.mp3'
"""
_PRINTED_CONFIG: Final = '{"type": "transcription", "transcription_config": {"language": "en"}}'
_PRINTED_DATA: Final = '{"parallel_engines": 2}'
_CREATED: Final = 201


async def run_printed(command: str, url: str, recording: Path | None = None) -> tuple[int, str]:
    """The status and the answer; curl itself must have ended well."""
    command = command.replace(ADDRESS, url).replace(RECORDING, str(recording))
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        f"{command.strip()} --silent --show-error --write-out '\\n%{{http_code}}'",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    body, _, status = out.decode().rpartition("\n")
    return int(status), body


@dataclass(frozen=True)
class PrintedCurl:
    """Submits as printed, with another configuration and other engines in the same places; the rest in its manner."""

    url: str
    key: str = KEY
    lacks: ClassVar[frozenset[str]] = frozenset({"data"})

    async def submit(
        self, recording: Path | None, config: Config, *, engines: int | None = None, user_id: str | None = None
    ) -> str:
        processing = {"parallel_engines": engines or 1} | ({"user_id": user_id} if user_id else {})
        command = WITH_ENGINES.replace(_PRINTED_CONFIG, json.dumps(config))
        command = command.replace(_PRINTED_DATA, json.dumps(processing))
        if recording is None:
            command = command.replace(f"-F 'data_file=@{RECORDING}'", "")
        answer = json.loads(await self._run(command.strip().removesuffix("\\"), recording))
        return str(answer["id"])

    async def transcribed(self, recording: Path) -> str:
        job_id = await self.submit(recording, PLAIN)

        async def has_ended() -> bool:
            return await self.status(job_id) != "running"

        await eventually_so(has_ended, timeout_s=60)
        if await self.status(job_id) != "done":
            raise Refused(await self._run(f"curl {ADDRESS}/v2/jobs/{job_id}"))
        return await self.text(job_id, "txt")

    async def words(self, job_id: str) -> Sequence[str]:
        return words_of(json.loads(await self._run(f"curl {ADDRESS}/v2/jobs/{job_id}/transcript")))

    async def text(self, job_id: str, form: str) -> str:
        return await self._run(f"curl '{ADDRESS}/v2/jobs/{job_id}/transcript?format={form}'")

    async def jobs(self) -> Sequence[str]:
        return [job["id"] for job in json.loads(await self._run(f"curl {ADDRESS}/v2/jobs"))["jobs"]]

    async def status(self, job_id: str) -> str:
        about: Mapping[str, Any] = json.loads(await self._run(f"curl {ADDRESS}/v2/jobs/{job_id}"))
        return str(about["job"]["status"])

    async def delete(self, job_id: str, *, force: bool = False) -> None:
        query = "?force=true" if force else ""
        await self._run(f"curl -X DELETE '{ADDRESS}/v2/jobs/{job_id}{query}'")

    async def _run(self, command: str, recording: Path | None = None) -> str:
        if self.key != KEY:
            command = f"{command} -H 'Authorization: Bearer {self.key}'"
        status, body = await run_printed(command, self.url, recording)
        if status > _CREATED:
            raise Refused(f"HTTP {status}: {body}")
        return body
