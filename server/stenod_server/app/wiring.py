"""What the settings mean for each part: adapters opened, options filled in."""

import contextlib
import os
import resource
from datetime import timedelta
from typing import Final

import structlog

from stenod_server.access.chain import open_authenticator
from stenod_server.access.doorkeeper import Doorkeeper, DoorLimits
from stenod_server.access.speaker_secrets import make_speaker_secrets, watch_speaker_secrets
from stenod_server.access.tls_files import Identity, watch_identity
from stenod_server.access.watched import WatchedFiles
from stenod_server.app.niceness import WORKER_NICE
from stenod_server.audio.pool import AudioPoolSettings, AudioWorkerPool
from stenod_server.domain.audio import ChunkLengths, to_samples
from stenod_server.domain.capacity import Admission
from stenod_server.domain.retry import RetryPolicy
from stenod_server.errors import InvalidField, StenodError
from stenod_server.fetch.courier import WebCourier
from stenod_server.fetch.fetcher import UriFetcher, open_fetcher
from stenod_server.fetch.options import FetchOptions
from stenod_server.ports import Clock, Engine
from stenod_server.rest.server import HttpOptions
from stenod_server.rest.services import DialectOptions
from stenod_server.rpc.server import ApiOptions
from stenod_server.scheduler.intake import Intake, IntakeLimits
from stenod_server.scheduler.janitor import Janitor, JanitorStores
from stenod_server.scheduler.options import Adapters, SchedulerOptions
from stenod_server.scheduler.scheduler import Scheduler
from stenod_server.scheduler.uploads import UploadLimits, Uploads
from stenod_server.settings import Settings
from stenod_server.speakers.identification import Identification
from stenod_server.speakers.identifiers import SpeakerIdentifiers
from stenod_server.store.open import Stores

FALLBACK_ENGINES: Final = 16  # where no recogniser can be asked for its own number yet
_log = structlog.get_logger()


async def count_engines(settings: Settings, engine: Engine) -> int:
    """The setting, or what the models that are meant to be loaded say keeps them busy."""
    if settings.parallel is not None:
        return settings.parallel
    with contextlib.suppress(StenodError):
        profiles = await engine.profiles()
        engines = [profiles[model].default_engines for model in settings.models if model in profiles]
        return sum(engines) or FALLBACK_ENGINES
    _log.warning("engines_unknown", using=FALLBACK_ENGINES, advice="no Triton answers yet; set --parallel")
    return FALLBACK_ENGINES


async def open_front_end(settings: Settings, max_engines: int) -> AudioWorkerPool:
    # A recording holds a worker until its last window is taken (ADR 3), which is soon for a short one and late for a
    # long one: as many as jobs that may run side by side, within reason for the memory.
    cores = os.cpu_count() or 1
    workers = settings.decode_workers or max(1, min(max_engines, max(8, 4 * cores)))
    vad = settings.models_path / "silero-vad" / "1" / "silero_vad_sequence.onnx"
    pool = AudioWorkerPool(
        AudioPoolSettings(
            vad_path=vad,
            max_workers=workers,
            min_idle_workers=cores,
            nice=WORKER_NICE[settings.worker_priority],
            memory_limit_bytes=settings.decode_memory_bytes,
            cpu_limit_s=settings.decode_cpu_s,
        )
    )
    await pool.start()
    return pool


def open_web(settings: Settings) -> tuple[UriFetcher, WebCourier]:
    """What fetches, and what sends, through one guard's rules. Raises InvalidField."""
    options = FetchOptions(
        allow=settings.fetch_allow,
        file_roots=settings.fetch_file_roots,
        buckets=settings.fetch_buckets,
        timeout_s=settings.fetch_timeout_s,
        stall_s=settings.fetch_stall_s,
    )
    try:
        return open_fetcher(options), WebCourier(options)
    except ValueError as error:
        raise InvalidField("fetch_allow, fetch_file_roots, fetch_buckets", str(error)) from error


def open_identification(settings: Settings, clock: Clock) -> Identification:
    """Raises InvalidField for secrets that are no good."""
    directory = settings.speaker_secrets_dir or settings.data_path / "speaker-secrets"
    if settings.speaker_secrets_dir is None:
        make_speaker_secrets(directory)
    return Identification(SpeakerIdentifiers(watch_speaker_secrets(directory.expanduser(), clock.monotonic_s).current))


def scheduler_options(settings: Settings, max_engines: int, identification: Identification) -> SchedulerOptions:
    return SchedulerOptions(
        node=settings.node,
        max_engines=max_engines,
        routing=settings.routing,
        elastic=settings.elastic,
        admission=Admission(settings.admission),
        max_queued_jobs=settings.max_queued_jobs,
        window_timeout_s=settings.window_timeout_s,
        chunks=ChunkLengths(
            kept_samples=to_samples(settings.chunk_s),
            left_samples=to_samples(settings.chunk_left_s),
            right_samples=to_samples(settings.chunk_right_s),
        ),
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
        identification=identification,
    )


def make_intake(settings: Settings, scheduler: Scheduler, stores: Stores, adapters: Adapters) -> Intake:
    limits = UploadLimits(
        max_media_bytes=settings.max_media_bytes,
        max_upload_streams=settings.max_upload_streams,
        ttl=timedelta(seconds=settings.upload_ttl_s),
    )
    return Intake(
        scheduler,
        Uploads(stores.uploads, stores.spool, clock=adapters.clock, limits=limits),
        blobs=stores.blobs,
        fetcher=adapters.fetcher,
        limits=IntakeLimits(max_inline_bytes=settings.max_inline_bytes, max_media_bytes=settings.max_media_bytes),
        tracer=adapters.tracer,
    )


def make_janitor(settings: Settings, stores: Stores, clock: Clock) -> Janitor:
    swept = JanitorStores(retention=stores.retention, uploads=stores.uploads, spool=stores.spool, blobs=stores.blobs)
    return Janitor(swept, clock, keep_media=settings.keep_media, cache_ttl=timedelta(seconds=settings.cache_ttl_s))


def make_door(settings: Settings, clock: Clock) -> Doorkeeper:
    limits = DoorLimits(
        max_calls=settings.max_calls, tenants=settings.tenants, tenant_defaults=settings.tenant_defaults
    )
    return Doorkeeper(open_authenticator(settings.access, clock), limits, clock)


def tell_of_containers(settings: Settings) -> None:
    """Which variables of a container that is replaced were found, and which of them do not do what they did there."""
    if found := sorted(settings.containers.meanings):
        _log.info("container_environment_read", variables=found)
    for variable, warning in settings.containers.warnings.items():
        _log.warning("container_environment_differs", variable=variable, warning=warning)


def http_options(settings: Settings, setting: str, address: str, tls: WatchedFiles[Identity] | None) -> HttpOptions:
    # Whatever is connected, files can still be opened. gRPC may have half of them.
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return HttpOptions(setting=setting, address=address, max_connections=min(settings.max_calls, most // 8), tls=tls)


def dialect_options(settings: Settings) -> DialectOptions:
    return DialectOptions(
        model_aliases=settings.model_aliases,
        speechmatics_fails_fast=settings.speechmatics_admission == "reject",
        assemblyai_fails_fast=settings.assemblyai_admission == "reject",
        assemblyai_punctuation=settings.assemblyai_punctuation,
        assemblyai_warnings=settings.containers.job_warnings,
        guide_max_media_bytes=settings.guide_max_media_bytes,
        disconnect_grace_s=settings.disconnect_grace_s,
        keep_alive_s=settings.http_keep_alive_s,
        cors_origins=settings.http_cors_origins,
        event_output=settings.event_output,
        event_formats=settings.event_formats,
    )


def api_options(settings: Settings, clock: Clock) -> ApiOptions:
    if settings.is_exposed and not settings.authenticates:
        _log.warning("callers_not_authenticated", listen=settings.listen, advice="set access_file or oidc_issuer")
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
