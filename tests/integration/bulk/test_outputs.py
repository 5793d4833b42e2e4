"""Results that the server writes to a bucket: asked for as a notification, until they are there."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

import stenod
from stenod.errors import InvalidRequest
from stenod.v1 import job_pb2, transcript_pb2
from stenod_server.domain.job import Failure
from stenod_server.domain.notification import Content, NoticeState, Notification
from stenod_server.store.open import open_store
from tests.integration.notify.rig import Rig
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.node import fake_node
from tests.support.restartable import free_port
from tests.support.s3_place import S3Place


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    stores = await open_store(tmp_path / "data")
    yield Rig(stores)
    await stores.close()


async def test_a_result_is_written_again_until_it_is_there(
    rig: Rig, source: S3Place, target: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    del source  # with it comes the environment
    job = await rig.ended(Notification(url=f"{target.url}/a", contents=(Content.TXT, Content.JSON)))
    with monkeypatch.context() as away:
        away.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
        async with rig.notifying(outputs=[target.url]):
            complained = await rig.complained(job)
    assert complained.notices[0].state is NoticeState.PENDING
    async with rig.notifying(outputs=[target.url]):
        done = await rig.settled(job)
    assert done.notices[0].state is NoticeState.DELIVERED
    assert await target.keys() == ["a.json", "a.txt"]


async def test_of_a_job_that_failed_there_is_the_job_alone(rig: Rig, source: S3Place) -> None:
    output = Notification(url=f"{source.url}/failed/", contents=(Content.JSON, Content.JOBINFO))
    job = await rig.ended(output, failure=Failure("UNSUPPORTED_MEDIA", "no audio"))
    async with rig.notifying(outputs=[source.url]):
        await rig.settled(job)
    assert await source.keys() == [f"failed/{job.job_id}.job.json"]
    assert json.loads(await source.read(f"failed/{job.job_id}.job.json"))["state"] == "JOB_STATE_FAILED"


async def test_a_job_of_the_api_may_name_a_place_that_is_open_and_no_other(
    tmp_path: Path, source: S3Place, target: S3Place
) -> None:
    await source.put({"a.wav": b"sound"})

    def config(url: str) -> job_pb2.JobConfig:
        wanted = job_pb2.Notification(url=url, formats=[transcript_pb2.TRANSCRIPT_FORMAT_SRT])
        return job_pb2.JobConfig(notifications=[wanted])

    front_end = ScriptedFrontEnd(make_windows(1))
    options: dict[str, Any] = {"fetch_buckets": (source.url,), "output_buckets": (f"{target.url}/{{tenant}}",)}
    async with (
        fake_node(tmp_path, front_end=front_end, **options) as node,
        stenod.Client(node.address) as client,
    ):
        with pytest.raises(InvalidRequest, match="output_buckets"):
            await client.submit(f"{source.url}/a.wav", config=config(f"{target.url}/somebody/a"))
        job = await client.submit(f"{source.url}/a.wav", config=config(f"{target.url}/default/a"))
        async with aclosing(client.watch(job.job_id)) as updates:
            async for update in updates:
                told = update.job.proto.notifications
        while told[0].state == job_pb2.NOTIFICATION_STATE_PENDING:
            told = (await client.job(job.job_id)).proto.notifications
    assert await target.keys() == ["default/a.srt"]
    assert b"32000-0" in await target.read("default/a.srt")
