"""The channel to a server: its options, who the caller is, and the two kinds of call."""

import ipaddress
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stenod._retry import Patience, RetryPolicy
from stenod._tracing import trace_metadata
from stenod.errors import Busy, Unavailable, rpc_errors
from stenod.v1.transcription_service_pb2_grpc import TranscriptionServiceStub

MIB: Final = 1024**2


@dataclass(frozen=True, slots=True)
class Connection:
    """An open channel. `stub` has one callable for each RPC of stenod.v1."""

    channel: grpc.aio.Channel
    retry: RetryPolicy
    metadata: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def stub(self) -> Any:
        return TranscriptionServiceStub(self.channel)  # type: ignore[no-untyped-call]

    def sent(self) -> tuple[tuple[str, str], ...]:
        """What goes with a call that is made now."""
        return (*self.metadata, *trace_metadata())

    async def call(self, method: Any, request: Message, *, timeout_s: float | None = None) -> Any:
        """One request, one response. Retried, where that is safe, by the channel (service_config.json)."""
        with rpc_errors():
            return await method(request, metadata=self.sent(), timeout=timeout_s)

    async def call_patiently(self, method: Any, request: Message) -> Any:
        """As `call`, for a request that its `request_id` makes safe to repeat although the channel cannot know it."""
        patience = Patience(self.retry)
        while True:
            try:
                return await self.call(method, request)
            except Unavailable as error:
                await patience.wait(error)
            except Busy as error:
                await patience.wait_for_room(error)

    async def health(self, service: str) -> bool:
        request = health_pb2.HealthCheckRequest(service=service)
        response = await self.call(health_pb2_grpc.HealthStub(self.channel).Check, request)
        return bool(response.status == health_pb2.HealthCheckResponse.SERVING)

    async def stream(self, method: Any, request: Message) -> AsyncGenerator[Any, None]:
        """One request, many responses. Leaving early cancels the call."""
        call = method(request, metadata=self.sent())
        try:
            with rpc_errors():
                async for message in call:
                    yield message
        finally:
            call.cancel()


def open_channel(address: str, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    """Needs a running event loop; connects with the first call."""
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=_options(address))
    return grpc.aio.secure_channel(address, credentials, options=_options(address))


def tls(
    *, ca_file: Path | str | None = None, cert_file: Path | str | None = None, key_file: Path | str | None = None
) -> grpc.ChannelCredentials:
    """Credentials for a server that speaks TLS, from files in PEM: the CAs to trust (default: gRPC's own list), and a
    client certificate with its key for a server that asks for one. Raises OSError, ValueError.
    """
    if bool(cert_file) != bool(key_file):
        message = "a client certificate and its key go together"
        raise ValueError(message)
    return grpc.ssl_channel_credentials(
        root_certificates=_bytes_of(ca_file),
        private_key=_bytes_of(key_file),
        certificate_chain=_bytes_of(cert_file),
    )


def _bytes_of(file: Path | str | None) -> bytes | None:
    return Path(file).read_bytes() if file else None


def caller_metadata(api_key: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {api_key}"),) if api_key else ()


def _options(address: str) -> list[tuple[str, Any]]:
    options: list[tuple[str, Any]] = [
        ("grpc.service_config", files("stenod").joinpath("service_config.json").read_text("utf-8")),
        ("grpc.primary_user_agent", f"stenod-python/{_version()}"),
        # A watch can be silent for long; a dead peer or a forgetful load balancer is noticed within 80 s.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        # gRPC would wait for up to two minutes before it looks whether a restarted server is back.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 3_000),
        # A segment is small, but what `Transcribe` returns is a whole transcript.
        ("grpc.max_receive_message_length", 64 * MIB),
        ("grpc.max_send_message_length", 8 * MIB),
    ]
    if is_loopback(address):
        options.append(("grpc.enable_http_proxy", 0))  # a proxy cannot reach this machine's loopback
    return options


def is_loopback(address: str) -> bool:
    """Whether what is sent to this address stays on the machine."""
    host = address.rpartition(":")[0].rpartition("/")[2].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _version() -> str:
    try:
        return version("stenod")
    except PackageNotFoundError:  # a copy of the package without its metadata
        return "unknown"
