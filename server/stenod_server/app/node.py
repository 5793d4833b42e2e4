"""A node, from the opening of its store to its last breath."""

import asyncio
import importlib.metadata
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

import structlog

from stenod_server.app.clock import SystemClock
from stenod_server.app.data_dir import make_writable, sole_user
from stenod_server.app.duties import health_probe, sample, sweep
from stenod_server.app.heap import leave_as_it_is, settle_heap
from stenod_server.app.listeners import STOP_GRACE_S, serve_api, serve_http, serve_metrics_page, serve_probes
from stenod_server.app.membership import join_cluster
from stenod_server.app.telling import make_notifier
from stenod_server.app.traces import open_tracer
from stenod_server.app.tritons import Progress, open_triton
from stenod_server.app.wiring import (
    api_options,
    count_engines,
    dialect_options,
    make_door,
    make_intake,
    make_janitor,
    open_front_end,
    open_identification,
    open_web,
    scheduler_options,
    tell_of_containers,
)
from stenod_server.audio.nowhere import Nowhere
from stenod_server.engine.elsewhere import Elsewhere
from stenod_server.fetch.courier import WebCourier
from stenod_server.ports import AudioFrontEnd, Clock, Engine, MediaFetcher
from stenod_server.recognition.patient_engine import PatienceOptions, PatientEngine
from stenod_server.rest.app import build_app
from stenod_server.rest.services import Services
from stenod_server.rest.stage import Stage
from stenod_server.rpc.health import HealthReporter
from stenod_server.rpc.interceptors import CallInterceptor
from stenod_server.scheduler.attendance import Attendance
from stenod_server.scheduler.intake import Intake
from stenod_server.scheduler.janitor import Janitor
from stenod_server.scheduler.options import Adapters
from stenod_server.scheduler.scheduler import Scheduler
from stenod_server.settings import Settings
from stenod_server.store.disk import FreeSpace
from stenod_server.store.open import Shared, Stores, open_store
from stenod_server.telemetry import logs
from stenod_server.telemetry.metered import MeteredEngine
from stenod_server.telemetry.metrics import Metrics
from stenod_server.telemetry.observer import MetricsObserver
from stenod_server.telemetry.traced import TracedFrontEnd
from stenod_server.telemetry.tracing import NO_TRACER, Tracer

# After so long a thread is given the interpreter that another one keeps. The store's want it some twenty times for a
# commit, for a moment each; with Python's 5 ms each of these can be a wait for the event loop.
THREAD_SWITCH_S: Final = 0.0005
VERSION: Final = importlib.metadata.version("stenod")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Node:
    """A running node. Addresses are `host:port`, "off" where a listener is off."""

    scheduler: Scheduler
    intake: Intake
    janitor: Janitor
    address: str
    http_address: str
    health_address: str
    metrics_address: str
    model: str
    max_engines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Doubles that replace the real adapters, for tests; None: the real one."""

    engine: Engine | None = None
    front_end: AudioFrontEnd | None = None
    fetcher: MediaFetcher | None = None
    clock: Clock | None = None


REAL: Final = Parts()


async def run(settings: Settings, progress: Progress, announce: Callable[[Node], None]) -> int:
    """Run a node until SIGTERM or SIGINT: drain, stop, return 0. A second signal ends the process at once, with 1.

    `progress` gets a phase and 0..1 while the node starts; `announce` is called once, when it is READY. Raises
    StenodError when it cannot start.
    """
    settle_heap()
    sys.setswitchinterval(THREAD_SWITCH_S)
    logs.configure(settings.log_level, settings.log_format)
    stopping = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, _on_signal, stopping)
    async with open_node(settings, progress) as node:
        leave_as_it_is()
        announce(node)
        await stopping.wait()
        _log.info("drain", grace_s=settings.drain_s)
        await node.scheduler.drain(settings.drain_s)
    return 0


@asynccontextmanager
async def open_node(
    settings: Settings, progress: Progress = lambda _phase, _ratio: None, *, parts: Parts = REAL
) -> AsyncIterator[Node]:
    """A node that serves while the context is open. Raises StenodError; then nothing is left running."""
    clock = parts.clock or SystemClock()
    # First, because a file that is no good is told at once.
    door, options = make_door(settings, clock), api_options(settings, clock)
    tell_of_containers(settings)
    make_writable("all_formats", settings.all_formats)
    async with AsyncExitStack() as stack:
        stack.enter_context(sole_user(settings.data_path))
        identification = open_identification(settings, clock)
        # Who asks how the node is gets an answer from here on: models may take minutes to load.
        health, stage = HealthReporter(), Stage()
        health_address = await serve_probes(stack, health, settings)
        http_address = await serve_http(stack, stage, options, settings)
        progress("opening the store", 0.0)
        stores = await _open_stores(stack, settings)
        clock = parts.clock or stores.clock or clock  # of all nodes, where there are more
        metrics, tracer = Metrics(), _open_tracer(stack, settings)
        parts = await _with_others(stack, settings, parts, stores, clock)
        metered, max_engines, front_end = await _open_recognition(stack, settings, parts, (metrics, tracer), progress)
        fetcher, courier = _open_web(stack, settings, parts)
        notifier = make_notifier(settings, stores, courier, clock, metrics, tracer)
        adapters = Adapters(
            store=stores.jobs,
            blobs=stores.blobs,
            engine=PatientEngine(metered, PatienceOptions(attempts=settings.window_attempts)),
            front_end=front_end,
            fetcher=fetcher,
            clock=clock,
            tracer=tracer,
            cluster=join_cluster(stack, settings, stores, notifier.wake),
        )
        options_of_it = scheduler_options(settings, max_engines, identification)
        scheduler = Scheduler(adapters, options_of_it, MetricsObserver(metrics))
        await scheduler.start()
        stack.push_async_callback(scheduler.stop)
        janitor = await _open_janitor(settings, stores, clock)
        intake = make_intake(settings, scheduler, stores, adapters)
        attendance = Attendance(scheduler, intake, grace_s=settings.disconnect_grace_s)
        stack.push_async_callback(attendance.close)
        health.follow(health_probe(scheduler, metered, settings.window_timeout_s))
        await health.refresh()
        metrics_address = serve_metrics_page(stack, settings, metrics)
        dialects, model = dialect_options(settings), settings.default_model
        services = Services(scheduler, intake, attendance, notifier, lambda: health.now, dialects, model)
        calls = CallInterceptor(door, metrics, tracer)
        address = await serve_api(stack, services, health, calls, options, settings)
        stage.enter(build_app(services, door, metrics, version=VERSION, tracer=tracer))
        stack.push_async_callback(stage.leave, STOP_GRACE_S)
        space = FreeSpace(settings.data_path, settings.min_free_bytes)
        _begin(stack, health.run(), sample(scheduler, stores, metered, metrics, space), sweep(janitor), notifier.run())
        addresses = (address, http_address, health_address, metrics_address)
        yield Node(scheduler, intake, janitor, *addresses, model, max_engines)


async def _open_stores(stack: AsyncExitStack, settings: Settings) -> Stores:
    stores = await open_store(
        settings.data_path,
        min_free_bytes=settings.min_free_bytes,
        with_files=settings.all_formats is not None,
        shared=Shared(
            database_url=settings.database_url, database_pool=settings.database_pool, blob_url=settings.blob_url
        ),
    )
    stack.push_async_callback(stores.close)
    if settings.database_url and not settings.blob_url:
        _log.warning("media_is_not_shared", advice="set blob_url where more than one node uses this database")
    return stores


def _open_tracer(stack: AsyncExitStack, settings: Settings) -> Tracer:
    tracer = open_tracer(settings.node, os.environ)
    if tracer is not NO_TRACER:
        stack.push_async_callback(asyncio.to_thread, tracer.close)
    return tracer


async def _open_janitor(settings: Settings, stores: Stores, clock: Clock) -> Janitor:
    janitor = make_janitor(settings, stores, clock)
    if not settings.database_url:
        await janitor.begin_alone()
    return janitor


async def _open_recognition(
    stack: AsyncExitStack, settings: Settings, parts: Parts, telemetry: tuple[Metrics, Tracer], progress: Progress
) -> tuple[MeteredEngine, int, AudioFrontEnd]:
    """What recognises, how many engines it has, and what feeds them."""
    metrics, tracer = telemetry
    engine = parts.engine
    if engine is None:
        engine = await stack.enter_async_context(open_triton(settings, metrics, progress))
    metered = MeteredEngine(engine, metrics, tracer)
    max_engines = await count_engines(settings, metered)
    front_end = parts.front_end or await open_front_end(settings, max_engines)
    stack.push_async_callback(front_end.close)
    if tracer is not NO_TRACER:
        front_end = TracedFrontEnd(front_end, tracer)
    return metered, max_engines, front_end


async def _with_others(stack: AsyncExitStack, settings: Settings, parts: Parts, stores: Stores, clock: Clock) -> Parts:
    """Where others do the work, what stands in for the parts of this node that would."""
    if not settings.only_answers or parts.engine is not None:
        return parts
    elsewhere = Elsewhere(stores.nodes, clock)
    await elsewhere.start()
    stack.push_async_callback(elsewhere.close)
    return replace(parts, engine=elsewhere, front_end=Nowhere())


def _open_web(stack: AsyncExitStack, settings: Settings, parts: Parts) -> tuple[MediaFetcher, WebCourier]:
    """What fetches, and what sends."""
    fetcher, courier = open_web(settings)
    stack.push_async_callback(courier.close)
    stack.push_async_callback((parts.fetcher or fetcher).close)
    return parts.fetcher or fetcher, courier


def _on_signal(stopping: asyncio.Event) -> None:
    if stopping.is_set():
        os._exit(1)  # a second signal: now. What runs is rescued at the next start.
    stopping.set()


def _begin(stack: AsyncExitStack, *duties: Coroutine[None, None, None]) -> None:
    for duty in duties:
        stack.push_async_callback(_cancel, asyncio.create_task(duty))


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
