"""Where a node listens."""

import asyncio
from contextlib import AsyncExitStack
from typing import Final

import grpc
from starlette.types import ASGIApp

from stenod_server.app.telling import RENDERINGS
from stenod_server.app.wiring import http_options
from stenod_server.errors import InvalidField
from stenod_server.rest.server import serving
from stenod_server.rest.services import Services
from stenod_server.rpc.health import HealthReporter
from stenod_server.rpc.interceptors import CallInterceptor
from stenod_server.rpc.server import ApiOptions, build_api, build_probes
from stenod_server.rpc.servicer import TranscriptionServicer
from stenod_server.settings import Settings
from stenod_server.telemetry.metrics import Metrics, serve_metrics

STOP_GRACE_S: Final = 5.0


async def _serve(stack: AsyncExitStack, server: grpc.aio.Server) -> None:
    await server.start()
    stack.push_async_callback(server.stop, STOP_GRACE_S)


async def serve_api(
    stack: AsyncExitStack,
    services: Services,
    health: HealthReporter,
    interceptor: CallInterceptor,
    options: ApiOptions,
    settings: Settings,
) -> str:
    servicer = TranscriptionServicer(
        services.scheduler,
        services.intake,
        services.notifier,
        RENDERINGS,
        default_model=settings.default_model,
        max_page_size=settings.max_page_size,
    )
    api, address = build_api(servicer, health, interceptor, options)
    await _serve(stack, api)
    return address


async def serve_http(stack: AsyncExitStack, app: ASGIApp, options: ApiOptions, settings: Settings) -> str:
    """The address of the first listener, or "off". Raises InvalidField."""
    bound = []
    for setting in ("http_listen", "assemblyai_listen"):
        if (address := getattr(settings, setting)) != "off":
            server = serving(app, http_options(settings, setting, address, options.tls))
            bound.append(await stack.enter_async_context(server))
    return bound[0] if bound else "off"


async def serve_probes(stack: AsyncExitStack, health: HealthReporter, settings: Settings) -> str:
    await health.refresh()
    if settings.health_listen == "off":
        return "off"
    probes, address = build_probes(health, address=settings.health_listen)
    await _serve(stack, probes)
    return address


def serve_metrics_page(stack: AsyncExitStack, settings: Settings, metrics: Metrics) -> str:
    if settings.metrics_listen == "off":
        return "off"
    host, _, port = settings.metrics_listen.rpartition(":")
    try:
        bound, stop = serve_metrics(metrics, host.strip("[]"), int(port))
    except OSError as error:
        raise InvalidField("metrics_listen", f"{settings.metrics_listen} cannot be bound: {error.strerror}") from error
    stack.push_async_callback(asyncio.to_thread, stop)
    return f"{host}:{bound}"
