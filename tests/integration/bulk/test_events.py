"""Events of object stores in, results in a bucket out: a real S3 server, a real node, a recogniser that sleeps."""

import json
from pathlib import Path
from typing import Any

import stenod
from tests.support.credentials import make_key
from tests.support.eventually import eventually_so
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.http_node import HttpNode, http_node
from tests.support.s3_place import BUCKET, S3Place


def s3_event(place: S3Place, key: str, *, name: str = "ObjectCreated:Put", **changes: Any) -> dict[str, Any]:
    """As AWS sends it to SNS, SQS and Lambda."""
    given = {
        "key": f"{place.prefix}/{key}",
        "size": 1024,
        "eTag": "d41d8cd98f00b204e9800998ecf8427e",
        "sequencer": "0A1B2C",
        **changes,
    }
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-01-01T00:00:00.000Z",
        "eventName": name,
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "recordings",
            "bucket": {"name": BUCKET, "arn": f"arn:aws:s3:::{BUCKET}"},
            "object": given,
        },
    }
    return {"Records": [record]}


def minio_event(place: S3Place, key: str) -> dict[str, Any]:
    event = s3_event(place, key, name="s3:ObjectCreated:Put", contentType="audio/wav")
    return {"EventName": "s3:ObjectCreated:Put", "Key": f"{BUCKET}/{place.prefix}/{key}", **event}


def eventbridge_event(place: S3Place, key: str, *, version: str = "") -> dict[str, Any]:
    given = {
        "key": f"{place.prefix}/{key}",
        "size": 1024,
        "etag": "d41d8cd98f00b204e9800998ecf8427e",
        "sequencer": "0A1B2C",
    }
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "detail": {
            "version": "0",
            "bucket": {"name": BUCKET},
            "object": given | ({"version-id": version} if version else {}),
            "reason": "PutObject",
        },
    }


def opened(source: S3Place, target: S3Place) -> dict[str, Any]:
    """Settings of a node that may read the one and write to the other."""
    return {"fetch_buckets": (source.url,), "output_buckets": (target.url,), "event_output": f"{target.url}/out"}


async def has(place: S3Place, *keys: str) -> None:
    async def is_there() -> bool:
        return set(keys) <= set(await place.keys())

    await eventually_so(is_there)


async def job_ids(node: HttpNode) -> list[str]:
    async with stenod.Client(node.node.address) as client:
        return [job.job_id async for job in client.jobs()]


async def test_each_shape_of_an_event_becomes_a_job_whose_result_is_in_the_output_bucket(
    tmp_path: Path, source: S3Place, target: S3Place, speech: bytes
) -> None:
    keys = ["aws/a b+ü.wav", "bridge/a b+ü.wav", "minio/a b+ü.wav"]
    await source.put(dict.fromkeys(keys, speech))
    events = [
        s3_event(source, "aws/a+b%2B%C3%BC.wav"),
        eventbridge_event(source, "bridge/a b+ü.wav"),
        minio_event(source, "minio%2Fa+b%2B%C3%BC.wav"),
    ]
    options = opened(source, target)
    async with http_node(tmp_path, front_end=ScriptedFrontEnd(make_windows(1)), **options) as node:
        for event, key in zip(events, keys, strict=True):
            answer = await node.client.post("/events?format=json&format=txt&format=job", json=event)
            assert answer.status_code == 200, answer.text
            [job] = answer.json()["jobs"]
            assert job["uri"] == f"{source.url}/{key}"
        names = [f"out/{source.prefix}/{key.removesuffix('.wav')}" for key in keys]
        await has(target, *(f"{name}.{form}" for name in names for form in ("json", "txt", "job.json")))
        result = json.loads(await target.read(f"{names[0]}.json"))

    assert result["source"] == {
        "uri": f"{source.url}/{keys[0]}",
        "version": "d41d8cd98f00b204e9800998ecf8427e",
        "size_bytes": 1024,
    }
    assert result["text"] == "32000-0 32000-1"
    assert json.loads(await target.read(f"{names[0]}.job.json"))["state"] == "JOB_STATE_SUCCEEDED"


async def test_an_event_again_is_the_same_job_and_another_version_another_one(
    tmp_path: Path, source: S3Place, speech: bytes
) -> None:
    await source.put({"a.wav": speech})
    async with http_node(tmp_path, front_end=ScriptedFrontEnd(), fetch_buckets=(source.url,)) as node:

        async def send(event: dict[str, Any]) -> str:
            answer = await node.client.post("/events", json=event)
            [job] = answer.json()["jobs"]
            return str(job["job_id"])

        first, again = [await send(eventbridge_event(source, "a.wav", version="v1")) for _ in range(2)]
        other = await send(eventbridge_event(source, "a.wav", version="v2"))
        assert first == again != other
        assert len(await job_ids(node)) == 2


async def test_what_brings_no_recording_makes_no_job(tmp_path: Path, source: S3Place, target: S3Place) -> None:
    removed = s3_event(source, "a.wav", name="ObjectRemoved:Delete")
    directory = s3_event(source, "folder/")
    result = s3_event(target, "out/a.json")
    test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET}
    options = opened(target, target)
    async with http_node(tmp_path, front_end=ScriptedFrontEnd(), **options) as node:
        for event in (removed, directory, result, test):
            answer = await node.client.post("/events", json=event)
            assert (answer.status_code, answer.json()) == (200, {"jobs": [], "ignored": 1})
        strange = await node.client.post("/events", json={"Message": "{}"})
        assert strange.status_code == 422
        assert await job_ids(node) == []


async def test_whoever_sends_shows_a_key_and_has_a_place_of_its_own(
    tmp_path: Path, source: S3Place, target: S3Place
) -> None:
    await source.put({"a.wav": b"sound"})
    access = tmp_path / "access.toml"
    key = make_key(access, tenant="north", scopes=("submit",))
    reader = make_key(access, tenant="north", scopes=("read",))
    places = (f"{target.url}/{{tenant}}",)
    options: dict[str, Any] = {"fetch_buckets": (source.url,), "access_file": access, "output_buckets": places}
    async with http_node(tmp_path, front_end=ScriptedFrontEnd(make_windows(1)), **options) as node:

        async def send(given: str, tenant: str) -> int:
            headers = {"Authorization": f"Bearer {given}"} if given else {}
            address = {"output": f"{target.url}/{tenant}"}
            event = minio_event(source, "a.wav")
            return (await node.client.post("/events", params=address, json=event, headers=headers)).status_code

        assert [await send("", "north"), await send(reader, "north"), await send(key, "south")] == [401, 403, 422]
        assert [await send(key, "north"), await send(key, "{tenant}")] == [200, 200]
        await has(target, f"north/{source.prefix}/a.json")
    assert await target.keys() == [f"north/{source.prefix}/a.json"]


async def test_a_place_that_the_operator_did_not_open_is_refused_with_the_setting(
    tmp_path: Path, source: S3Place, target: S3Place
) -> None:
    event = s3_event(source, "a.wav")
    options: dict[str, Any] = {"fetch_buckets": (source.url,), "output_buckets": ("s3://out/yes",)}
    async with http_node(tmp_path, front_end=ScriptedFrontEnd(), **options) as node:
        for output in ("s3://out/no", "s3://out/yes-2", "s3://out/yes/../no", "https://elsewhere.example/"):
            answer = await node.client.post("/events", params={"output": output}, json=event)
            assert answer.status_code == 422, output
            assert "output" in answer.json()["detail"]
        assert "output_buckets" in (await node.client.post("/events?output=s3://out/no", json=event)).text
        unread = await node.client.post("/events", json=s3_event(target, "a.wav"))
        assert (unread.status_code, "fetch_buckets" in unread.text) == (422, True)
        async with stenod.Client(node.node.address) as client:
            assert [job async for job in client.jobs()] == []
