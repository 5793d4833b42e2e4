"""The receiver of docs/notifications.md, as it is printed there, knows a genuine call from others."""

import asyncio
import base64
import re
import sys
from pathlib import Path

from stenod_server.domain.notification import Content
from tests.integration.notify.rig import Rig, telling
from tests.support.eventually import eventually
from tests.support.restartable import free_port
from tests.support.speech import PROJECT_ROOT

SECRET = b"s" * 32


async def test_it_takes_what_is_signed_and_nothing_else(rig: Rig, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (PROJECT_ROOT / "docs/notifications.md").read_text(), re.DOTALL)
    script, port = tmp_path / "receiver.py", free_port()
    script.write_text(code)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), str(port), f"whsec_{base64.b64encode(SECRET).decode()}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        job = await rig.ended(telling(f"http://127.0.0.1:{port}/in", Content.JOBINFO, Content.DATA))
        async with rig.notifying(secrets=(b"x" * 32,)):
            async with asyncio.timeout(20):
                while "HTTP status 401" not in await _error(rig, job.job_id):  # noqa: ASYNC110  it has no event
                    await asyncio.sleep(0.01)
        assert "delivered" not in rig.outcomes
        async with rig.notifying(secrets=(b"x" * 32, SECRET)):
            await eventually(lambda: rig.outcomes[-1:] == ["delivered"])
        assert process.stdout
        told = (await process.stdout.readline()).decode()
        assert told == f"told {job.job_id}-0 /in?id={job.job_id}&status=success\n"
    finally:
        process.kill()
        await process.wait()


async def _error(rig: Rig, job_id: str) -> str:
    return (await rig.stores.jobs.get("default", job_id)).notices[0].error
