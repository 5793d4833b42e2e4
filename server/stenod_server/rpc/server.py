"""Builds the gRPC servers: the API with health and reflection, and a plain-text one for probes alone."""

import resource
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from stenod.v1 import transcription_service_pb2, transcription_service_pb2_grpc
from stenod_server.access.tls_files import Identity
from stenod_server.access.watched import WatchedFiles
from stenod_server.errors import InvalidField
from stenod_server.rpc.health import HealthReporter
from stenod_server.rpc.interceptors import CallInterceptor
from stenod_server.rpc.servicer import TranscriptionServicer

_OPTIONS: Final = (
    ("grpc.max_send_message_length", -1),
    # Clients may ping every 10 s, also while no call is open; by default gRPC answers them with GOAWAY.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    # A client that is gone without a word (a laptop that was closed) is noticed within 80 s, and its calls end.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # A connection without a call costs memory for nothing. Its age has no limit: a watch lasts as long as its job.
    ("grpc.max_connection_idle_ms", 15 * 60_000),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.so_reuseport", 0),  # a port that is taken is an error, not a second server behind it
)
_MAX_PROBES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """`tls` None: plain text."""

    address: str
    max_message_bytes: int
    max_calls: int
    tls: WatchedFiles[Identity] | None = None


def build_api(
    servicer: TranscriptionServicer, health: HealthReporter, interceptor: CallInterceptor, options: ApiOptions
) -> tuple[grpc.aio.Server, str]:
    """The API server, not started, and the `host:port` it is bound to. Raises InvalidField when it cannot be bound."""
    channel_options = [
        *_options(max_connections=options.max_calls),
        ("grpc.max_receive_message_length", options.max_message_bytes),
    ]
    server = grpc.aio.server(interceptors=[interceptor], options=channel_options)
    transcription_service_pb2_grpc.add_TranscriptionServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    names = (
        transcription_service_pb2.DESCRIPTOR.services_by_name["TranscriptionService"].full_name,
        health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
        reflection.SERVICE_NAME,
    )
    reflection.enable_server_reflection(names, server)
    return server, _bind(server, "listen", options.address, options.tls)


def build_probes(health: HealthReporter, *, address: str) -> tuple[grpc.aio.Server, str]:
    """A server of grpc.health.v1 alone, for probes that speak neither TLS nor authentication."""
    server = grpc.aio.server(options=_options(max_connections=_MAX_PROBES), maximum_concurrent_rpcs=_MAX_PROBES)
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    return server, _bind(server, "health_listen", address)


def _options(*, max_connections: int) -> Sequence[tuple[str, Any]]:
    # Whatever is connected, files can still be opened: the database's, and those of the media.
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (*_OPTIONS, ("grpc.max_allowed_incoming_connections", min(max_connections, most // 2)))


def _bind(server: grpc.aio.Server, setting: str, address: str, tls: WatchedFiles[Identity] | None = None) -> str:
    problem = f"{address} cannot be bound: is another server running there?"
    try:
        port = server.add_secure_port(address, _tls_credentials(tls)) if tls else server.add_insecure_port(address)
    except RuntimeError as error:
        raise InvalidField(setting, problem) from error
    if port == 0:
        raise InvalidField(setting, problem)
    return f"{address.rpartition(':')[0]}:{port}"


def _tls_credentials(files: WatchedFiles[Identity]) -> grpc.ServerCredentials:
    """The certificate is asked for at each handshake, so connections that are open keep theirs."""

    def configuration() -> Any:
        identity = files.current()
        return grpc.ssl_server_certificate_configuration(
            [(identity.private_key, identity.certificate_chain)], root_certificates=identity.client_ca
        )

    asks_for_certificate = files.current().client_ca is not None
    return grpc.dynamic_ssl_server_credentials(
        configuration(), configuration, require_client_authentication=asks_for_certificate
    )
