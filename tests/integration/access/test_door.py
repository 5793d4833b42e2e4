"""A node's door over real gRPC: who must show something, how often they may come, and what is recorded of them."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

import stenod
from stenod.v1 import media_pb2
from stenod.v1 import transcription_service_pb2 as pb
from stenod.v1.transcription_service_pb2_grpc import TranscriptionServiceStub
from stenod_server.access import audit
from stenod_server.app.node import Node
from stenod_server.app.wiring import api_options
from stenod_server.settings import load
from stenod_server.telemetry import logs
from tests.support.builders import FakeClock
from tests.support.credentials import make_key, running_issuer
from tests.support.logged import logged
from tests.support.node import fake_node
from tests.support.tenants import HurryingClock, Metadata

BURST = 5


def _bearer(key: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {key}"),)


def _details(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            status.ParseFromString(value)
    kinds = (error_details_pb2.ErrorInfo, error_details_pb2.QuotaFailure, error_details_pb2.RetryInfo)
    found = {}
    for detail in status.details:
        for kind in kinds:
            message = kind()
            if detail.Unpack(message):
                found[kind.__name__] = message
    return found


async def _call(node: Node, key: str, name: str = "GetCapacity", request: Any = None) -> Any:
    async with grpc.aio.insecure_channel(node.address) as channel:
        method = getattr(TranscriptionServiceStub(channel), name)  # type: ignore[no-untyped-call]
        return await method(request or pb.GetCapacityRequest(), metadata=_bearer(key) if key else (), timeout=20)


# --- who must show something ----------------------------------------------------------------------------------------


def test_a_node_that_others_can_reach_asks_who_they_are_unless_it_is_forced(tmp_path: Path) -> None:
    for listen in ("0.0.0.0:0", "[::]:0", "192.0.2.1:0", "stt.example.org:0"):
        with pytest.raises(ValueError, match=r"access_file .* or oidc_issuer.* or set allow_unauthenticated"):
            load(data_dir=tmp_path, listen=listen)
    for listen in ("127.0.0.1:0", "[::1]:0", "localhost:0"):
        assert not load(data_dir=tmp_path, listen=listen).authenticates
    assert load(data_dir=tmp_path, listen="0.0.0.0:0", allow_unauthenticated=True)
    assert load(data_dir=tmp_path, listen="0.0.0.0:0", access_file=tmp_path / "access.toml")
    assert load(data_dir=tmp_path, listen="0.0.0.0:0", oidc_issuer="https://i.example", oidc_audience="stenod")


@pytest.mark.parametrize(
    ("settings", "warning"),
    [
        ({"listen": "0.0.0.0:0", "allow_unauthenticated": True}, ["callers_not_authenticated"]),
        ({"listen": "0.0.0.0:0", "access_file": "x"}, ["credentials_in_plain_text"]),
        ({"listen": "127.0.0.1:0", "access_file": "x"}, []),
        ({"listen": "127.0.0.1:0"}, []),
    ],
)
def test_a_door_that_is_open_or_overheard_is_warned_of(
    tmp_path: Path, settings: dict[str, Any], warning: list[str]
) -> None:
    with structlog.testing.capture_logs() as events:
        api_options(load(data_dir=tmp_path, **settings), FakeClock())

    assert [event["event"] for event in events] == warning


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tls_cert_file": "a.pem"}, "tls_key_file is missing"),
        ({"tls_key_file": "a.key"}, "tls_cert_file is missing"),
        ({"tls_client_ca_file": "ca.pem", "access_file": "x"}, "needs tls_cert_file"),
        (
            {"tls_client_ca_file": "ca", "tls_cert_file": "a", "tls_key_file": "b"},
            "nothing says whose a certificate is",
        ),
        ({"oidc_issuer": "https://i.example"}, "oidc_audience is missing"),
        ({"oidc_audience": "a"}, "oidc_issuer is missing"),
        ({"oidc_issuer": "http://i.example", "oidc_audience": "a"}, "must be https"),
        (
            {"oidc_issuer": "https://i", "oidc_audience": "a", "oidc_jwks_url": "http://i/k"},
            "oidc_jwks_url must be https",
        ),
    ],
)
def test_settings_that_would_let_in_the_wrong_ones_are_refused(
    tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        load(data_dir=tmp_path, **settings)


async def test_a_stranger_may_ask_for_health_once_and_for_nothing_else(tmp_path: Path) -> None:
    key = make_key(tmp_path / "access.toml")
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    async with (
        fake_node(tmp_path, access_file=tmp_path / "access.toml") as node,
        grpc.aio.insecure_channel(node.address) as channel,
    ):
        health: Any = health_pb2_grpc.HealthStub(channel)
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
        streams: list[Callable[[Metadata], Any]] = [
            lambda shown: health.Watch(health_pb2.HealthCheckRequest(), metadata=shown),
            lambda shown: reflection.ServerReflectionInfo(iter([request]), metadata=shown),
        ]
        for open_stream in streams:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await anext(aiter(open_stream(())))
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
            call = open_stream(_bearer(key))
            await anext(aiter(call))
            call.cancel()


async def test_nothing_is_read_of_an_upload_that_is_not_allowed(tmp_path: Path) -> None:
    """The stream goes on for ever; the refusal does not wait for it."""
    access_file = tmp_path / "access.toml"
    reader = make_key(access_file, scopes=["read"])

    async def endless() -> AsyncIterator[pb.UploadMediaRequest]:
        yield pb.UploadMediaRequest(metadata=media_pb2.UploadMetadata(upload_id="u"))
        await asyncio.Event().wait()

    async with fake_node(tmp_path, access_file=access_file) as node:
        for key, code in (("stn_x_y", grpc.StatusCode.UNAUTHENTICATED), (reader, grpc.StatusCode.PERMISSION_DENIED)):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await _call(node, key, "UploadMedia", endless())
            assert caught.value.code() is code


async def test_without_the_issuer_a_token_is_not_wrong_but_cannot_be_judged(tmp_path: Path) -> None:
    async with running_issuer() as issuer:
        token = issuer.token()
        issuer.origin.answers = {}
        async with fake_node(tmp_path, **issuer.settings) as node:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await _call(node, token)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "RetryInfo" in _details(caught.value)


# --- how often ------------------------------------------------------------------------------------------------------


async def test_a_tenant_over_its_rate_is_told_when_to_come_again_and_others_are_not(tmp_path: Path) -> None:
    access_file = tmp_path / "access.toml"
    busy, other = make_key(access_file, "newsroom"), make_key(access_file, "archive")
    limits = {"newsroom": {"requests_per_s": 0.5, "request_burst": BURST}}
    clock = HurryingClock()
    async with fake_node(tmp_path, access_file=access_file, tenants=limits, clock=clock) as node:
        for _ in range(BURST):
            await _call(node, busy)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _call(node, busy)
        await _call(node, other)
        clock.ahead_s += 2.0
        await _call(node, busy)

    details = _details(caught.value)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (details["ErrorInfo"].reason, details["ErrorInfo"].domain) == ("QUOTA_EXCEEDED", "stenod.dev")
    assert [violation.subject for violation in details["QuotaFailure"].violations] == ["requests_per_s"]
    assert 0 < details["RetryInfo"].retry_delay.ToMilliseconds() <= 2000


async def test_who_guesses_keys_is_told_to_come_again_later_and_the_client_of_a_good_one_is_not(tmp_path: Path) -> None:
    access_file = tmp_path / "access.toml"
    key = make_key(access_file)
    async with fake_node(tmp_path, access_file=access_file, clock=FakeClock()) as node:
        await _call(node, key)
        codes = []
        for number in range(25):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await _call(node, f"stn_{number}_x")
            codes.append(caught.value.code())
        await _call(node, key)

    assert codes[:20] == [grpc.StatusCode.UNAUTHENTICATED] * 20
    assert codes[20:] == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 5


# --- what is recorded -----------------------------------------------------------------------------------------------


async def test_who_did_what_is_recorded_and_no_secret_is(tmp_path: Path) -> None:
    access_file = tmp_path / "access.toml"
    writer, reader = make_key(access_file), make_key(access_file, "archive", ["read"])
    secrets = [
        writer.split("_", 2)[2],
        reader.split("_", 2)[2],
        "wrong-secret",
        "header-secret",
        "q-secret",
        "p-secret",
    ]
    with logged() as lines:
        settings: dict[str, Any] = {"access_file": access_file, "fetch_allow": ("127.0.0.0/8",)}
        async with running_issuer() as issuer, fake_node(tmp_path, **settings, **issuer.settings) as node:
            token, forged = issuer.token(sub="alice"), issuer.forged()
            secrets += [token.split(".")[2], forged.split(".")[2]]
            source = media_pb2.MediaSource(
                uri="http://user:p-secret@127.0.0.1:9/a.mp3?sig=q-secret",
                headers=[media_pb2.HttpHeader(name="X-Token", value="header-secret")],
            )
            submit = pb.SubmitJobRequest(media=source)
            job_id = (await _call(node, writer, "SubmitJob", submit)).job.job_id
            await _call(node, token, "CancelJob", pb.CancelJobRequest(job_id=job_id))
            await _call(node, reader)
            for key in (reader, "stn_abc_wrong-secret", forged, ""):
                with pytest.raises(grpc.aio.AioRpcError):
                    await _call(node, key, "SubmitJob", submit)
            with pytest.raises(grpc.aio.AioRpcError):
                await _call(node, writer, "DeleteJob", pb.DeleteJobRequest(job_id="unknown"))

    audited = [line for line in lines if line["event"] == "audit"]
    told = [(line["method"], line["outcome"], line["tenant"], line["subject"].partition(":")[0]) for line in audited]
    assert told == [
        ("SubmitJob", "OK", "newsroom", "key"),
        ("CancelJob", "OK", "newsroom", "token"),
        ("SubmitJob", "PERMISSION_DENIED PERMISSION_DENIED", "archive", "key"),
        ("SubmitJob", "UNAUTHENTICATED UNAUTHENTICATED", "", ""),
        ("SubmitJob", "UNAUTHENTICATED UNAUTHENTICATED", "", ""),
        ("SubmitJob", "UNAUTHENTICATED UNAUTHENTICATED", "", ""),
        ("DeleteJob", "NOT_FOUND JOB_NOT_FOUND", "newsroom", "key"),
    ]
    assert [line.get("job_id") for line in audited][:2] == [job_id, job_id]
    assert audited[1]["subject"] == "token:alice"
    assert all(line["peer"].startswith("ipv4:127.0.0.1:") and line["request_id"] for line in audited)
    assert len(lines) > len(audited)
    assert [secret for secret in secrets if secret in json.dumps(lines)] == []


async def test_the_audit_log_is_kept_whatever_else_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger().handlers, logging.getLogger().level, structlog.get_config()
    try:
        logs.configure("error", "json")
        audit.record(method="SubmitJob", outcome="OK", peer="p", tenant="t", subject="key:a", job_id="j")
        structlog.get_logger().warning("something")
    finally:
        logging.getLogger().handlers, _, config = before
        logging.getLogger().setLevel(before[1])
        structlog.configure(**config)

    (line,) = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert {"event", "method", "outcome", "peer", "tenant", "subject", "job_id", "level", "timestamp"} == event.keys()


def test_a_client_is_not_shown_with_its_key() -> None:
    assert "secret" not in repr(stenod.Client("localhost:1", api_key="secret"))
