"""A job is one trace, from the span of its caller to each window and notification; without a collector, nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import httpx
import numpy as np
import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import TraceFlags

import stenod
from stenod.v1 import job_pb2
from stenod_server.app.traces import open_tracer
from stenod_server.engine.target import Target
from stenod_server.errors import StenodError
from stenod_server.ports import RecognitionRequest
from stenod_server.telemetry.traced import TracedFrontEnd
from stenod_server.telemetry.tracing import NO_TRACER, current, inside, outgoing, received
from tests.support.eventually import eventually
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.http_node import HttpNode, http_node
from tests.support.receiver import receiving
from tests.support.spans import Collector, collecting

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT: Final = f"00-{TRACE}-b7ad6b7169203331-01"
WINDOWS: Final = 3


@asynccontextmanager
async def _traced(directory: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HttpNode]:
    """When it is closed, all spans have come in."""
    monkeypatch.setenv(ENDPOINT, collector.address)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_INSECURE", "true")
    front_end = ScriptedFrontEnd(make_windows(WINDOWS, seconds=2.0))
    async with http_node(directory, front_end=front_end, fetch_allow=("127.0.0.0/8",)) as node:
        yield node


async def test_a_job_is_one_trace_from_the_client_to_its_windows_and_notifications(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = TracerProvider(shutdown_on_exit=False).get_tracer("an application")
    async with (
        collecting() as collector,
        receiving() as receiver,
        _traced(tmp_path, collector, monkeypatch) as http,
        stenod.Client(http.node.address) as client,
    ):
        with application.start_as_current_span("caller") as caller:
            config = job_pb2.JobConfig(notifications=[job_pb2.Notification(url=receiver.url())])
            job = await client.submit(b"RIFF", config=config, language="en")
        await client.wait(job.job_id)  # outside of the span: what runs later belongs to it all the same
        await eventually(lambda: bool(receiver.calls))
    trace_id = f"{caller.get_span_context().trace_id:032x}"
    assert collector.names(trace_id) == ["SubmitJob", "decode", "job", "notify", "submit", *["window"] * WINDOWS]
    call, submit, ran = collector.one("SubmitJob"), collector.one("submit"), collector.one("job")
    assert call.parent_span_id.hex() == f"{caller.get_span_context().span_id:016x}"
    assert submit.parent_span_id == call.span_id
    assert ran.parent_span_id == collector.one("notify").parent_span_id == submit.span_id
    assert {span.parent_span_id for span in [*collector.named("window"), collector.one("decode")]} == {ran.span_id}
    told = received(receiver.calls[0].headers["traceparent"])
    assert told.startswith(f"00-{trace_id}-{collector.one('notify').span_id.hex()}-")


async def test_a_trace_goes_on_from_the_headers_of_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with collecting() as collector, _traced(tmp_path, collector, monkeypatch) as http:
        answer = await http.client.post(
            "/v1/audio/transcriptions",
            files={"file": ("a.wav", b"RIFF")},
            data={"model": "fake"},
            headers={"traceparent": TRACEPARENT},
        )
        assert answer.status_code == httpx.codes.OK
    assert collector.names(TRACE) == ["OpenAiTranscribe", "decode", "job", "submit", *["window"] * WINDOWS]


async def test_a_failure_is_marked_with_its_reason_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_INSECURE", "true")
        monkeypatch.setenv(ENDPOINT, collector.address)
        tracer = open_tracer("a", {ENDPOINT: collector.address})
        with pytest.raises(StenodError), tracer.span("window"):
            raise StenodError("what somebody said")
        await asyncio.to_thread(tracer.close)
    assert collector.one("window").status.message == StenodError.reason


async def test_triton_is_told_of_the_span_of_the_window() -> None:
    seen: list[Any] = []

    async def infer(_request: bytes, of_call: Any) -> bytes:
        seen.append(dict(of_call.invocation_metadata()))
        await of_call.abort(grpc.StatusCode.UNAVAILABLE, "not today")
        return b""

    server = grpc.aio.server()
    handlers: dict[str, Any] = {"ModelInfer": grpc.unary_unary_rpc_method_handler(infer)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("inference.GRPCInferenceService", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    target = Target(f"127.0.0.1:{port}", {})
    audio = np.zeros(1600, np.int16)
    for traceparent in (TRACEPARENT, ""):
        with inside(traceparent), pytest.raises(StenodError):
            await target.recognise(audio, RecognitionRequest("fake"), timeout_s=10.0)
    await target.close()
    await server.stop(None)
    assert [one.get("traceparent") for one in seen] == [TRACEPARENT, None]


async def test_without_an_endpoint_nothing_is_made_kept_or_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENDPOINT, raising=False)
    assert open_tracer("a", {}) is NO_TRACER
    first, second = NO_TRACER.span("job"), NO_TRACER.span("window", kind="client", model="fake")
    assert first is second  # not an object for each
    with first as span:
        span.note(job_id="a")
        assert (current(), outgoing()) == ("", ())
    front_end = ScriptedFrontEnd(make_windows(1, seconds=2.0))
    async with http_node(tmp_path, front_end=front_end) as http:
        assert not isinstance(http.node.scheduler._adapters.front_end, TracedFrontEnd)
        async with stenod.Client(http.node.address) as client:
            token = context.attach(trace.set_span_in_context(_remote_span()))
            job = await client.submit(b"RIFF", language="en")
            context.detach(token)
            await client.wait(job.job_id)
        stored = await http.node.scheduler.get("default", job.job_id)
    assert stored.config.origin.traceparent == ""


def _remote_span() -> trace.Span:
    return trace.NonRecordingSpan(
        trace.SpanContext(int(TRACE, 16), 0xB7AD6B7169203331, is_remote=True, trace_flags=TraceFlags(1))
    )


@pytest.mark.parametrize(
    "garbage", ["", "00", TRACEPARENT.upper(), f"{TRACEPARENT}-00", TRACEPARENT.replace(TRACE, 32 * "0")]
)
def test_what_is_no_traceparent_is_none(garbage: str) -> None:
    assert received(garbage) == ""
    assert received(TRACEPARENT) == TRACEPARENT
