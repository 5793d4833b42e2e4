"""What the scheduler is made of and how it behaves; filled in by `app` from the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from stenod_server.domain.audio import ChunkLengths
from stenod_server.domain.capacity import Admission
from stenod_server.domain.quota import TenantLimits
from stenod_server.domain.retry import RetryPolicy
from stenod_server.ports import AudioFrontEnd, BlobStore, Clock, Engine, JobStore, MediaFetcher
from stenod_server.ports.cluster import ClaimStore, NodeStore, Signals
from stenod_server.scheduler.routing import RoutingTable
from stenod_server.speakers.identification import Identification, identification_of_its_own
from stenod_server.telemetry.tracing import NO_TRACER, Tracer


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What nodes share: how they divide the waiting jobs, know of each other and wake each other."""

    claims: ClaimStore
    nodes: NodeStore
    signals: Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """The outside, as ports. `cluster` None: a node on its own."""

    store: JobStore
    blobs: BlobStore
    engine: Engine
    front_end: AudioFrontEnd
    fetcher: MediaFetcher
    clock: Clock
    tracer: Tracer = NO_TRACER
    cluster: Cluster | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerOptions:
    """How a node schedules. `max_engines` 0: it accepts jobs and runs none."""

    node: str
    max_engines: int
    routing: RoutingTable = field(default_factory=RoutingTable)
    elastic: bool = True
    admission: Admission = Admission.QUEUE
    max_queued_jobs: int = 10_000
    window_timeout_s: float = 120.0
    chunks: ChunkLengths = field(default_factory=ChunkLengths)
    max_decoded_s: float = 24 * 3600.0
    max_channels: int = 32
    max_sample_rate_hz: int = 384_000
    max_media_bytes: int = 2 * 1024**3
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    max_rescues: int = 5  # nodes a job may lose one after the other without progress
    lease_s: float = 30.0  # a node that is silent so long has lost its jobs
    retention: timedelta = timedelta(days=7)
    cache_ttl: timedelta = timedelta(0)  # how long a transcript may be used again; 0: never
    tenants: Mapping[str, TenantLimits] = field(default_factory=dict)
    tenant_defaults: TenantLimits = field(default_factory=TenantLimits)  # of tenants that are not named
    max_overtakes: int = 8  # smaller jobs that may start before one that waits for its engines
    largest_node_engines: int = 0  # in a cluster: more than this can never run; 0: this node is all there is
    poll_s: float = 0.5  # how soon a change nobody announced is seen: the engine is ready, another node submitted
    beat_s: float = 2.0  # in a cluster, how often a node says how it is, and looks who else is there
    watch_poll_s: float = 5.0  # how soon a watch sees what another node did
    record_interval_s: float = 0.5  # progress and segments of a job are stored at most this often
    identification: Identification = field(default_factory=identification_of_its_own)
    capacity_interval_s: float = 0.1  # WatchCapacity tells at most this often

    def limits_of(self, tenant: str) -> TenantLimits:
        return self.tenants.get(tenant, self.tenant_defaults)
