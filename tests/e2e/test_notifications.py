"""Notifications as a user has them: asked for over an API, sent by a real server, over its death if need be."""

import asyncio
import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

import stenod
from stenod.v1 import job_pb2, media_pb2, transcript_pb2
from stenod.v1 import transcription_service_pb2 as pb
from tests.support.eventually import eventually
from tests.support.http_node import http_node
from tests.support.node import fake_node
from tests.support.node_process import node_process
from tests.support.receiver import HANG, receiving
from tests.support.waves import talk, write_wav

LOOPBACK = ("127.0.0.0/8",)


def _wav(directory: Path) -> bytes:
    return write_wav(directory / "speech.wav", talk(1.0)).read_bytes()


def _config(url: str, **how: Any) -> job_pb2.JobConfig:
    return job_pb2.JobConfig(notifications=[job_pb2.Notification(url=url, **how)])


async def test_what_is_asked_for_over_grpc_is_sent_and_shown(tmp_path: Path) -> None:
    secret = b"k" * 32
    (tmp_path / "secrets").write_text(f"whsec_{base64.b64encode(secret).decode()}\n")
    options: dict[str, Any] = {"fetch_allow": LOOPBACK, "notification_secret_file": tmp_path / "secrets"}
    async with (
        receiving() as receiver,
        fake_node(tmp_path, **options) as node,
        stenod.Client(node.address) as client,
    ):
        config = _config(
            receiver.url("/in?key=s3cret"),
            headers=[media_pb2.HttpHeader(name="Authorization", value="s3cret")],
            contents=[job_pb2.NOTIFICATION_CONTENT_JOB, job_pb2.NOTIFICATION_CONTENT_MEDIA],
            formats=[transcript_pb2.TRANSCRIPT_FORMAT_SRT],
            method=job_pb2.NOTIFICATION_METHOD_PUT,
        )
        recording = _wav(tmp_path)
        job = await client.submit(recording, config=config)
        await eventually(lambda: len(receiver.calls) == 1)
        (call,) = receiver.calls
        assert (call.method, call.query["key"], call.headers["authorization"]) == ("PUT", "s3cret", "s3cret")
        assert list(call.parts()) == ["jobinfo", "data", "transcript.srt"]
        assert call.parts()["data"][2] == recording
        signed = f"{job.job_id}-0.{call.headers['webhook-timestamp']}.".encode() + call.body
        mac = hmac.new(secret, signed, hashlib.sha256).digest()
        assert call.headers["webhook-signature"] == f"v1,{base64.b64encode(mac).decode()}"

        shown = await _until_settled(client, job.job_id)
        (asked,), (status,) = shown.config.notifications, shown.notifications
        assert (asked.url, list(asked.headers), asked.method) == (
            receiver.url("/in"),
            [],
            job_pb2.NOTIFICATION_METHOD_PUT,
        )
        assert list(asked.contents) == [job_pb2.NOTIFICATION_CONTENT_JOB, job_pb2.NOTIFICATION_CONTENT_MEDIA]
        assert list(asked.formats) == [transcript_pb2.TRANSCRIPT_FORMAT_SRT]
        assert (status.state, status.attempt_count) == (job_pb2.NOTIFICATION_STATE_DELIVERED, 1)
        assert status.url == receiver.url("/in")


async def test_a_receiver_inside_is_refused_by_name_over_both_apis(tmp_path: Path) -> None:
    async with http_node(tmp_path) as http, stenod.Client(http.node.address) as client:
        with pytest.raises(stenod.errors.StenodError, match=r"config\.notifications\[0\]\.url.*fetch_allow"):
            await client.submit(_wav(tmp_path), config=_config("http://127.0.0.1:9/"))
        config = {
            "type": "transcription",
            "transcription_config": {"language": "en"},
            "notification_config": [{"url": "http://169.254.169.254/"}],
        }
        refused = await http.client.post(
            "/v2/jobs", files={"config": (None, json.dumps(config)), "data_file": ("a.wav", _wav(tmp_path))}
        )
        assert refused.status_code == 400
        assert "fetch_allow" in refused.text


async def test_a_speechmatics_client_sees_who_could_not_be_told(tmp_path: Path) -> None:
    options: dict[str, Any] = {"fetch_allow": LOOPBACK, "notification_max_age_s": 0.0}
    async with receiving() as receiver, http_node(tmp_path, **options) as http:
        receiver.then(500)
        receiver.then(204)
        config = {
            "type": "transcription",
            "transcription_config": {"language": "en"},
            "notification_config": [{"url": receiver.url()}, {"url": receiver.url(), "contents": ["jobinfo"]}],
        }
        accepted = await http.client.post(
            "/v2/jobs", files={"config": (None, json.dumps(config)), "data_file": ("a.wav", _wav(tmp_path))}
        )
        assert accepted.status_code == 201, accepted.text
        shown: dict[str, Any] = {}
        async with asyncio.timeout(20):
            while not shown.get("errors"):
                answer = await http.client.get(f"/v2/jobs/{accepted.json()['id']}")
                shown = answer.json()["job"]
                await asyncio.sleep(0.02)
        assert shown["status"] == "done"
        (error,) = shown["errors"]
        assert "was given up, having been sent once" in error["message"]
        assert "answered with HTTP status 500" in error["message"]


async def test_every_format_is_written_where_the_operator_wants_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with fake_node(tmp_path, all_formats=out) as node, stenod.Client(node.address) as client:
        job = await client.submit(_wav(tmp_path))
        endings = ("json", "txt", "srt", "vtt", "stenod.json")
        await eventually(lambda: all((out / f"{job.job_id}.{ending}").exists() for ending in endings))


async def test_a_server_that_is_killed_before_it_has_told_tells_when_it_is_back(tmp_path: Path) -> None:
    async with receiving() as receiver:
        receiver.then(HANG)
        async with node_process(tmp_path) as killed, stenod.Client(killed.address) as client:
            job = await client.submit(_wav(tmp_path), config=_config(receiver.url()))
            await eventually(lambda: len(receiver.calls) == 1)  # it is in the middle of telling
            await killed.kill()
        async with (
            node_process(tmp_path) as back,
            stenod.Client(back.address) as client,
            httpx.AsyncClient(base_url=f"http://{back.metrics}") as http,
        ):
            await eventually(lambda: len(receiver.calls) == 2)
            shown = await _until_settled(client, job.job_id)
            metrics = (await http.get("/metrics")).text
        assert {call.headers["webhook-id"] for call in receiver.calls} == {f"{job.job_id}-0"}
        assert shown.notifications[0].attempt_count == 2
        assert 'stenod_notifications_total{outcome="delivered"} 1.0' in metrics


async def _until_settled(client: stenod.Client, job_id: str) -> job_pb2.Job:
    """The message itself: the client's own type has no notifications."""
    async with asyncio.timeout(20):
        while True:
            response = await client._connection.stub.GetJob(pb.GetJobRequest(job_id=job_id))
            pending = job_pb2.NOTIFICATION_STATE_PENDING
            if all(status.state != pending for status in response.job.notifications):
                job: job_pb2.Job = response.job
                return job
            await asyncio.sleep(0.02)
