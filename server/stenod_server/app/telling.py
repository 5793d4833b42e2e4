"""Puts the notifier together."""

import importlib.metadata
from datetime import timedelta
from typing import Final

from stenod_server.access.webhook_secrets import watch_secrets
from stenod_server.errors import InvalidField
from stenod_server.fetch.courier import WebCourier
from stenod_server.fetch.outputs import OutputBuckets
from stenod_server.ports import Clock
from stenod_server.rest.speechmatics.job_view import job_info
from stenod_server.rest.speechmatics.transcripts import open_transcript
from stenod_server.rpc.convert import job_as_json
from stenod_server.scheduler.messenger import Manner, Sources, WebMessenger, Writers
from stenod_server.scheduler.notifier import HOLD_SLACK, Notifier, NotifierOptions
from stenod_server.scheduler.receivers import NamedReceivers
from stenod_server.scheduler.traced_messenger import TracedMessenger
from stenod_server.scheduler.transcript_files import TranscriptFiles
from stenod_server.scheduler.transcript_outputs import TranscriptOutputs
from stenod_server.settings import Settings
from stenod_server.store.open import Stores
from stenod_server.telemetry.metrics import Metrics
from stenod_server.telemetry.tracing import Tracer
from stenod_server.text.render import Renderings

MANNERS: Final = {
    "": Manner(view=job_as_json, user_agent=f"stenod/{importlib.metadata.version('stenod')}"),
    "speechmatics": Manner(view=job_info, user_agent="Speechmatics-API/2.0", attachment="data_file"),
}

RENDERINGS: Final = Renderings({"speechmatics": open_transcript})


def make_notifier(
    settings: Settings, stores: Stores, courier: WebCourier, clock: Clock, metrics: Metrics, tracer: Tracer
) -> Notifier:
    """Raises InvalidField for a file of secrets, or prefixes of buckets, that are no good."""
    path = settings.notification_secret_file
    sources = Sources(
        store=stores.jobs,
        blobs=stores.blobs,
        manners=MANNERS,
        renderings=RENDERINGS,
        secrets=watch_secrets(path, clock.monotonic_s).current if path else tuple,
    )
    results = _output_buckets(settings)
    writers = Writers(outputs=TranscriptOutputs(results, stores.jobs, RENDERINGS), files=_files(settings, stores))
    messenger = WebMessenger(courier, sources, clock, timeout_s=settings.notification_timeout_s, writers=writers)
    options = NotifierOptions(
        node=settings.node,
        give_up_after=timedelta(seconds=settings.notification_max_age_s),
        hold=timedelta(seconds=settings.notification_timeout_s) + HOLD_SLACK,
    )
    return Notifier(
        stores.deliveries,
        TracedMessenger(messenger, tracer),
        NamedReceivers(courier, results),
        clock,
        options=options,
        count=lambda outcome: metrics.notifications.labels(outcome).inc(),
    )


def _output_buckets(settings: Settings) -> OutputBuckets:
    try:
        return OutputBuckets(settings.output_buckets)
    except ValueError as error:
        raise InvalidField("output_buckets", str(error)) from error


def _files(settings: Settings, stores: Stores) -> TranscriptFiles | None:
    if settings.all_formats is None:
        return None
    return TranscriptFiles(settings.all_formats.expanduser(), stores.jobs, RENDERINGS)
