"""Builds everything long-lived, in order, and takes it down in reverse: the one place that knows the whole."""

import asyncio
import contextlib
import fcntl
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Final

import grpc
import structlog

from stenod_server.access.chain import open_authenticator
from stenod_server.access.tls_files import watch_identity
from stenod_server.audio.pool import AudioPoolSettings, AudioWorkerPool
from stenod_server.domain.capacity import Admission
from stenod_server.domain.retry import RetryPolicy
from stenod_server.engine.canary import load_canaries
from stenod_server.engine.embedded import EmbeddedSettings, EmbeddedTriton
from stenod_server.engine.triton import TritonEngine
from stenod_server.errors import InvalidField, StenodError
from stenod_server.fetch.fetcher import UriFetcher, open_fetcher
from stenod_server.fetch.options import FetchOptions
from stenod_server.ports import AudioFrontEnd, Clock, Engine, MediaFetcher
from stenod_server.recognition.patient_engine import PatienceOptions, PatientEngine
from stenod_server.rpc.doorkeeper import Doorkeeper, DoorLimits
from stenod_server.rpc.health import HealthReporter, NodeHealth, Stall
from stenod_server.rpc.interceptors import CallInterceptor
from stenod_server.rpc.server import ApiOptions, build_api, build_probes
from stenod_server.rpc.servicer import TranscriptionServicer
from stenod_server.scheduler.intake import Intake, MediaLimits, MediaStores
from stenod_server.scheduler.options import Adapters, SchedulerOptions
from stenod_server.scheduler.scheduler import Scheduler
from stenod_server.settings import Settings
from stenod_server.store.open import Stores, open_store
from stenod_server.telemetry import logs
from stenod_server.telemetry.metered import MeteredEngine
from stenod_server.telemetry.metrics import Metrics, serve_metrics
from stenod_server.telemetry.observer import MetricsObserver

Progress = Callable[[str, float], None]

FALLBACK_ENGINES: Final = 16  # where no recogniser can be asked for its own number yet
EXTERNAL_TRITON_WAIT_S: Final = 10.0
LIVENESS_STALL_S: Final = 60.0
LIVENESS_WINDOWS: Final = 3  # nothing finished in the time of so many slow windows: work has stopped
SAMPLE_S: Final = 2.0
SWEEP_S: Final = 60.0
STOP_GRACE_S: Final = 5.0
_log = structlog.get_logger()


class SystemClock:
    """The real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return monotonic()


@dataclass(frozen=True, slots=True)
class Node:
    """A running node. Addresses are `host:port`, "off" where a listener is off."""

    scheduler: Scheduler
    intake: Intake
    address: str
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


async def run(settings: Settings, progress: Progress, announce: Callable[[Node], None]) -> int:
    """Run a node until SIGTERM or SIGINT: drain, stop, return 0. A second signal ends the process at once, with 1.

    `progress` gets a phase and 0..1 while the node starts; `announce` is called once, when it is READY. Raises
    StenodError when it cannot start.
    """
    logs.configure(settings.log_level, settings.log_format)
    stopping = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, _on_signal, stopping)
    async with open_node(settings, progress) as node:
        announce(node)
        await stopping.wait()
        _log.info("drain", grace_s=settings.drain_s)
        await node.scheduler.drain(settings.drain_s)
    return 0


@asynccontextmanager
async def open_node(
    settings: Settings, progress: Progress = lambda _phase, _ratio: None, *, parts: Parts | None = None
) -> AsyncIterator[Node]:
    """A node that serves while the context is open. Raises StenodError; then nothing is left running."""
    parts = parts or Parts()
    clock = parts.clock or SystemClock()
    # First, because a file that is no good is told at once.
    door, api_options = _door(settings, clock), _api_options(settings, clock)
    async with AsyncExitStack() as stack:
        stack.enter_context(_sole_user(settings.data_path))
        health = HealthReporter()
        health_address = await _serve_probes(stack, health, settings)  # first: models may take minutes to load
        progress("opening the store", 0.0)
        stores = await open_store(settings.data_path)
        stack.push_async_callback(stores.close)
        engine = parts.engine
        if engine is None:
            engine = await stack.enter_async_context(_triton(settings, progress))
        metrics = Metrics()
        metered = MeteredEngine(engine, metrics)
        max_engines = await _max_engines(settings, metered)
        front_end = parts.front_end or await _front_end(settings, max_engines)
        stack.push_async_callback(front_end.close)
        fetcher = parts.fetcher or _fetcher(settings)
        stack.push_async_callback(fetcher.close)
        adapters = Adapters(
            store=stores.jobs,
            blobs=stores.blobs,
            engine=PatientEngine(metered, PatienceOptions(attempts=settings.window_attempts)),
            front_end=front_end,
            fetcher=fetcher,
            clock=clock,
        )
        scheduler = Scheduler(adapters, _scheduler_options(settings, max_engines), MetricsObserver(metrics))
        await scheduler.start()
        stack.push_async_callback(scheduler.stop)
        intake = _intake(settings, scheduler, stores, adapters)
        health.follow(_health_probe(scheduler, stores, metered, settings.window_timeout_s))
        await health.refresh()
        metrics_address = _serve_metrics(stack, settings, metrics)
        servicer = TranscriptionServicer(
            scheduler, intake, default_model=settings.model, max_page_size=settings.max_page_size
        )
        api, address = build_api(servicer, health, CallInterceptor(door, metrics), api_options)
        await _serve(stack, api)
        for name, routine in (
            ("health", health.run()),
            ("sample", _sample(scheduler, stores, metered, metrics)),
            ("sweep", _sweep(intake)),
        ):
            stack.push_async_callback(_cancel, asyncio.create_task(routine, name=name))
        yield Node(scheduler, intake, address, health_address, metrics_address, settings.model, max_engines)


# --- building ---------------------------------------------------------------------------------------------------------


@contextmanager
def _sole_user(data_dir: Path) -> Iterator[None]:
    """Two servers in one data directory would each rescue the other's jobs. The lock dies with the process."""
    data_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(data_dir / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise InvalidField(
            "data_dir", f"another stenod runs in {data_dir}; give this one a --data-dir of its own"
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


@asynccontextmanager
async def _triton(settings: Settings, progress: Progress) -> AsyncIterator[TritonEngine]:
    """External Tritons where the settings name some, else a child of our own that is READY when this returns."""
    if settings.triton_url:
        engine = TritonEngine(settings.triton_url, canaries=load_canaries(settings.models_path, [settings.model]))
        await engine.start()
        try:
            with contextlib.suppress(StenodError):  # jobs are accepted all the same, and wait for it
                await engine.wait_until_ready(EXTERNAL_TRITON_WAIT_S)
            yield engine
        finally:
            await engine.close()
        return
    embedded = EmbeddedTriton(
        EmbeddedSettings(data_dir=settings.data_path, models_dir=settings.models_path, models=[settings.model])
    )
    await embedded.start(progress)
    try:
        yield embedded.engine
    finally:
        await embedded.stop()


async def _max_engines(settings: Settings, engine: Engine) -> int:
    """The setting, or what the default model says keeps it busy."""
    if settings.parallel is not None:
        return settings.parallel
    with contextlib.suppress(StenodError):
        profiles = await engine.profiles()
        return profiles[settings.model].default_engines if settings.model in profiles else FALLBACK_ENGINES
    _log.warning("engines_unknown", using=FALLBACK_ENGINES, advice="no Triton answers yet; set --parallel")
    return FALLBACK_ENGINES


async def _front_end(settings: Settings, max_engines: int) -> AudioWorkerPool:
    # A recording holds a worker while its windows are recognised (ADR 3): as many as jobs that may run side by side,
    # within reason for the memory.
    cores = os.cpu_count() or 1
    workers = settings.decode_workers or max(1, min(max_engines, max(8, 4 * cores)))
    vad = settings.models_path / "silero-vad" / "1" / "silero_vad_sequence.onnx"
    pool = AudioWorkerPool(
        AudioPoolSettings(
            vad_path=vad,
            max_workers=workers,
            min_idle_workers=cores,
            nice=5,
            memory_limit_bytes=settings.decode_memory_bytes,
            cpu_limit_s=settings.decode_cpu_s,
        )
    )
    await pool.start()
    return pool


def _fetcher(settings: Settings) -> UriFetcher:
    options = FetchOptions(
        allow=settings.fetch_allow,
        file_roots=settings.fetch_file_roots,
        buckets=settings.fetch_buckets,
        timeout_s=settings.fetch_timeout_s,
        stall_s=settings.fetch_stall_s,
    )
    try:
        return open_fetcher(options)
    except ValueError as error:
        raise InvalidField("fetch_allow, fetch_file_roots, fetch_buckets", str(error)) from error


def _scheduler_options(settings: Settings, max_engines: int) -> SchedulerOptions:
    return SchedulerOptions(
        node=settings.node,
        max_engines=max_engines,
        default_model=settings.model,
        elastic=settings.elastic,
        admission=Admission(settings.admission),
        max_queued_jobs=settings.max_queued_jobs,
        window_timeout_s=settings.window_timeout_s,
        max_decoded_s=settings.max_decoded_s,
        max_channels=settings.max_channels,
        max_sample_rate_hz=settings.max_sample_rate_hz,
        max_media_bytes=settings.max_media_bytes,
        retry=RetryPolicy(attempts=settings.attempts),
        max_rescues=settings.max_rescues,
        lease_s=settings.lease_s,
        retention=timedelta(seconds=settings.retention_s),
        cache_ttl=timedelta(seconds=settings.cache_ttl_s),
        tenants=settings.tenants,
        tenant_defaults=settings.tenant_defaults,
    )


def _intake(settings: Settings, scheduler: Scheduler, stores: Stores, adapters: Adapters) -> Intake:
    limits = MediaLimits(
        max_media_bytes=settings.max_media_bytes,
        max_inline_bytes=settings.max_inline_bytes,
        upload_ttl=timedelta(seconds=settings.upload_ttl_s),
    )
    media = MediaStores(uploads=stores.uploads, spool=stores.spool, blobs=stores.blobs)
    return Intake(scheduler, media, fetcher=adapters.fetcher, clock=adapters.clock, limits=limits)


def _door(settings: Settings, clock: Clock) -> Doorkeeper:
    limits = DoorLimits(
        max_calls=settings.max_calls, tenants=settings.tenants, tenant_defaults=settings.tenant_defaults
    )
    return Doorkeeper(open_authenticator(settings.access, clock), limits, clock)


def _api_options(settings: Settings, clock: Clock) -> ApiOptions:
    if settings.is_exposed and settings.authenticates and not settings.tls:
        # No error: behind a proxy or a mesh that ends TLS this is how it has to be, and the two look alike from here.
        _log.warning(
            "credentials_in_plain_text", listen=settings.listen, advice="end TLS before it, or set tls_cert_file"
        )
    return ApiOptions(
        address=settings.listen,
        max_message_bytes=settings.max_message_bytes,
        max_calls=settings.max_calls,
        tls=watch_identity(settings.tls, clock) if settings.tls else None,
    )


def _serve_metrics(stack: AsyncExitStack, settings: Settings, metrics: Metrics) -> str:
    if settings.metrics_listen == "off":
        return "off"
    host, _, port = settings.metrics_listen.rpartition(":")
    try:
        bound, stop = serve_metrics(metrics, host.strip("[]"), int(port))
    except OSError as error:
        raise InvalidField("metrics_listen", f"{settings.metrics_listen} cannot be bound: {error.strerror}") from error
    stack.push_async_callback(asyncio.to_thread, stop)
    return f"{host}:{bound}"


# --- running ----------------------------------------------------------------------------------------------------------


def _on_signal(stopping: asyncio.Event) -> None:
    if stopping.is_set():
        os._exit(1)  # a second signal: now. What runs is rescued at the next start.
    stopping.set()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _serve(stack: AsyncExitStack, server: grpc.aio.Server) -> None:
    await server.start()
    stack.push_async_callback(server.stop, STOP_GRACE_S)


async def _serve_probes(stack: AsyncExitStack, health: HealthReporter, settings: Settings) -> str:
    await health.refresh()
    if settings.health_listen == "off":
        return "off"
    probes, address = build_probes(health, address=settings.health_listen)
    await _serve(stack, probes)
    return address


def _health_probe(
    scheduler: Scheduler, stores: Stores, engine: MeteredEngine, window_timeout_s: float
) -> Callable[[], Awaitable[NodeHealth]]:
    stall = Stall()

    def is_alive() -> bool:
        stalled_s = stall.lasting_s(scheduler.stalled_s(), excused=not engine.is_ready(), now_s=monotonic())
        # Before the first window nobody knows how long one takes; no longer than the setting allows.
        return stalled_s < max(LIVENESS_STALL_S, LIVENESS_WINDOWS * (engine.p99_s or window_timeout_s))

    async def probe() -> NodeHealth:
        await stores.jobs.ping()
        capacity = await scheduler.capacity()
        return NodeHealth(
            ready=not scheduler.is_draining,
            accepting=capacity.accepting,
            alive=is_alive(),
        )

    return probe


async def _sample(scheduler: Scheduler, stores: Stores, engine: Engine, metrics: Metrics) -> None:
    """Publish what is sampled rather than counted, every other second."""
    while True:
        with contextlib.suppress(StenodError):  # the next sample tells
            metrics.show_capacity(await scheduler.capacity(), await stores.jobs.counts())
            metrics.show_batches(await engine.batch_statistics())
        await asyncio.sleep(SAMPLE_S)


async def _sweep(intake: Intake) -> None:
    """Delete what nobody came back for, once a minute."""
    while True:
        with contextlib.suppress(StenodError):
            await intake.sweep()
        await asyncio.sleep(SWEEP_S)
