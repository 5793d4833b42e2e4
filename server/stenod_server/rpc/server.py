"""Builds the gRPC servers: the API with health and reflection, and a plain-text one for probes alone."""

from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from stenod.v1 import transcription_service_pb2, transcription_service_pb2_grpc
from stenod_server.errors import InvalidField
from stenod_server.rpc.health import HealthReporter
from stenod_server.rpc.interceptors import CallInterceptor
from stenod_server.rpc.servicer import TranscriptionServicer
from stenod_server.telemetry.metrics import Metrics

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
# Clients may ping every 10 s, also while no call is open; the default of 5 minutes answers such clients with GOAWAY.
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.so_reuseport", 0),  # a port that is taken is an error, not a second server behind it
)


def build_api(
    servicer: TranscriptionServicer, health: HealthReporter, metrics: Metrics, *, address: str
) -> tuple[grpc.aio.Server, str]:
    """The API server, not started, and the `host:port` it is bound to. Raises InvalidField when it cannot be bound."""
    server = grpc.aio.server(interceptors=[CallInterceptor(metrics)], options=_OPTIONS)
    transcription_service_pb2_grpc.add_TranscriptionServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    names = (
        transcription_service_pb2.DESCRIPTOR.services_by_name["TranscriptionService"].full_name,
        health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
        reflection.SERVICE_NAME,
    )
    reflection.enable_server_reflection(names, server)
    return server, _bind(server, "listen", address)


def build_probes(health: HealthReporter, *, address: str) -> tuple[grpc.aio.Server, str]:
    """A server of grpc.health.v1 alone, for probes that speak neither TLS nor authentication."""
    server = grpc.aio.server(options=_OPTIONS)
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    return server, _bind(server, "health_listen", address)


def _bind(server: grpc.aio.Server, setting: str, address: str) -> str:
    problem = f"{address} cannot be bound: is another server running there?"
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise InvalidField(setting, problem) from error
    if port == 0:
        raise InvalidField(setting, problem)
    return f"{address.rpartition(':')[0]}:{port}"
