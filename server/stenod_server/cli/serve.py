# ruff: noqa: ARG001  the options are read from the context, all alike
"""`stenod serve`: every setting as an option; what is not given comes from the environment, the file or the default."""

import asyncio
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stenod_server.cli.connection import fail
from stenod_server.cli.language_models import set_those_of
from stenod_server.cli.models import add_if_possible, add_missing

if TYPE_CHECKING:
    from stenod_server.app.node import Node


class OnOff(StrEnum):
    """A switch."""

    ON = "on"
    OFF = "off"


class RunMode(StrEnum):
    """Which server of another make it stands in for."""

    HTTP = "http"


class Admission(StrEnum):
    """What happens to a job that finds no free engine."""

    QUEUE = "queue"
    REJECT = "reject"


class WorkerPriority(StrEnum):
    """How decoders and recognisers yield to the server."""

    LOW = "low"
    IDLE = "idle"


class LogLevel(StrEnum):
    """The least important events that are logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How events are written."""

    CONSOLE = "console"
    JSON = "json"


def _option(help_text: str, default: str = "", metavar: str | None = None, *, panel: str | None = None) -> Any:
    """An option that is None unless given; `default` is only shown."""
    return typer.Option(help=help_text, show_default=default or False, metavar=metavar, rich_help_panel=panel)


def _limit(help_text: str, default: str, metavar: str) -> Any:
    return _option(help_text, default, metavar, panel="Limits")


def _access(help_text: str, metavar: str = "FILE", default: str = "") -> Any:
    return _option(help_text, default, metavar, panel="Access")


def _fetch(help_text: str, metavar: str, default: str = "") -> Any:
    return _option(help_text, default, metavar, panel="Fetching media from addresses")


def _notify(help_text: str, metavar: str, default: str = "") -> Any:
    return _option(help_text, default, metavar, panel="Telling of a job's end")


def _dialects(help_text: str, metavar: str | None, default: str = "") -> Any:
    return _option(help_text, default, metavar, panel="HTTP dialects")


def _cluster(help_text: str, metavar: str, default: str = "") -> Any:
    return _option(help_text, default, metavar, panel="Cluster")


_HOST = "HOST:PORT"
_Text = str | None
_Count = int | None
_Seconds = float | None
_OptionalPath = Path | None


def serve(
    context: typer.Context,
    config: Annotated[_OptionalPath, _option("TOML file of settings, named as below with _ for -.", "", "FILE")] = None,
    run_mode: Annotated[
        RunMode | None,
        _option("Be the Speechmatics worker: HTTP dialects on 0.0.0.0:18000, all may call unless told otherwise."),
    ] = None,
    listen: Annotated[_Text, _option("gRPC API; port 0 picks a free one.", "127.0.0.1:50051", _HOST)] = None,
    http_listen: Annotated[_Text, _option("HTTP dialects, or off.", "127.0.0.1:18000", _HOST)] = None,
    assemblyai_listen: Annotated[_Text, _option("A second port for them, or off.", "off", _HOST)] = None,
    metrics_listen: Annotated[_Text, _option("Prometheus metrics, or off.", "127.0.0.1:9090", _HOST)] = None,
    health_listen: Annotated[_Text, _option("Health alone, for probes, or off.", "off", _HOST)] = None,
    allow_unauthenticated: Annotated[
        bool | None, typer.Option("--allow-unauthenticated", help="Listen beyond loopback although all may call.")
    ] = None,
    access_file: Annotated[_OptionalPath, _access("API keys and client certificates.")] = None,
    tls_cert_file: Annotated[_OptionalPath, _access("Certificate chain of the API.")] = None,
    tls_key_file: Annotated[_OptionalPath, _access("Its private key.")] = None,
    tls_client_ca_file: Annotated[_OptionalPath, _access("CAs whose certificate a caller must show.")] = None,
    oidc_issuer: Annotated[_Text, _access("Accept tokens of this issuer.", "URL")] = None,
    oidc_audience: Annotated[_Text, _access("The audience they must be for.", "NAME")] = None,
    oidc_jwks_url: Annotated[_Text, _access("Where its keys are; else discovered.", "URL")] = None,
    oidc_tenant_claim: Annotated[_Text, _access("The claim that names the tenant.", "NAME", "tenant")] = None,
    oidc_clock_skew_s: Annotated[_Seconds, _access("How far clocks may differ.", "SECONDS", "60")] = None,
    speaker_secrets_dir: Annotated[
        _OptionalPath, _access("Secrets of speaker identifiers, files s.<number>.", "DIR")
    ] = None,
    http_cors_origins: Annotated[list[str] | None, _dialects("Web page that may call them.", "ORIGIN")] = None,
    speechmatics_admission: Annotated[
        Admission | None, _dialects("As --admission, for that one.", None, "reject")
    ] = None,
    assemblyai_admission: Annotated[
        Admission | None, _dialects("As --admission, for that one.", None, "reject")
    ] = None,
    assemblyai_punctuation: Annotated[
        OnOff | None, _dialects("Off: none in that one, whoever asks.", None, "on")
    ] = None,
    guide_max_media_bytes: Annotated[
        _Count, _dialects("Size of a recording in the guide's.", "BYTES", "104857600")
    ] = None,
    disconnect_grace_s: Annotated[_Seconds, _dialects("Life of a job whose caller hung up.", "SECONDS", "30")] = None,
    http_keep_alive_s: Annotated[
        _Seconds, _dialects("Silence of a long answer before a sign of life.", "SECONDS", "15")
    ] = None,
    data_dir: Annotated[_OptionalPath, _option("Database, media, models.", "~/.local/share/stenod", "DIR")] = None,
    models_dir: Annotated[_OptionalPath, _option("Model repository.", "<data-dir>/models", "DIR")] = None,
    retention_s: Annotated[_Seconds, _option("Life of ended jobs and transcripts.", "604800", "SECONDS")] = None,
    keep_media: Annotated[
        bool | None, typer.Option("--keep-media", help="Keep media as long as the transcript.")
    ] = None,
    all_formats: Annotated[_OptionalPath, _option("Write each finished job in all formats here.", "", "DIR")] = None,
    cache_ttl_s: Annotated[_Seconds, _option("Reuse transcripts of the same media; 0: never.", "0", "SECONDS")] = None,
    model: Annotated[
        list[str] | None,
        _option("Recogniser to load; the first is for jobs that name none.", "moonshine-tiny-en", "NAME"),
    ] = None,
    routes: Annotated[
        list[str] | None, _option("Recogniser for a language, like de=NAME or */enhanced=NAME; the first counts.")
    ] = None,
    voices_model: Annotated[
        _Text, _option("Model that tells speakers apart, loaded as well; '' for none.", "voices", "NAME")
    ] = None,
    triton_url: Annotated[
        list[str] | None,
        _option(
            "Triton to use instead of an own one, or dns:///NAME:PORT for all of a name; may be repeated.", "", _HOST
        ),
    ] = None,
    parallel: Annotated[_Count, _option("Engines; 0: API only.", "as the model asks", "N")] = None,
    elastic: Annotated[OnOff | None, _option("Lend idle engines to running jobs.", "on")] = None,
    admission: Annotated[Admission | None, _option("What happens when no engine is free.", "queue")] = None,
    window_timeout_s: Annotated[_Seconds, _option("The longest a window may take.", "120", "SECONDS")] = None,
    chunk_s: Annotated[_Seconds, _option("What a window gives where nobody pauses.", "20", "SECONDS")] = None,
    chunk_left_s: Annotated[_Seconds, _option("Speech it hears before that, as context.", "5", "SECONDS")] = None,
    chunk_right_s: Annotated[_Seconds, _option("And behind it.", "3", "SECONDS")] = None,
    attempts: Annotated[_Count, _option("Attempts at a job when failures may pass.", "3", "N")] = None,
    max_rescues: Annotated[_Count, _option("Nodes a job may lose without progress.", "5", "N")] = None,
    window_attempts: Annotated[_Count, _option("Tries at a window.", "4", "N")] = None,
    lease_s: Annotated[_Seconds, _option("Silence after which a node has lost its jobs.", "30", "SECONDS")] = None,
    decode_memory_bytes: Annotated[_Count, _limit("Memory of a decode process.", "1073741824", "BYTES")] = None,
    decode_cpu_s: Annotated[_Seconds, _limit("Processor time of decoding a recording.", "1800", "SECONDS")] = None,
    fetch_allow: Annotated[list[str] | None, _fetch("Private network to fetch from.", "CIDR")] = None,
    fetch_file_roots: Annotated[list[Path] | None, _fetch("Directory that file:// may read.", "DIR")] = None,
    fetch_buckets: Annotated[list[str] | None, _fetch("Bucket prefix that may be read.", "s3://…")] = None,
    fetch_timeout_s: Annotated[_Seconds, _fetch("The longest a fetch may take.", "SECONDS", "900")] = None,
    fetch_stall_s: Annotated[_Seconds, _fetch("The longest wait for its next byte.", "SECONDS", "30")] = None,
    notification_timeout_s: Annotated[_Seconds, _notify("The longest attempt.", "SECONDS", "30")] = None,
    notification_max_age_s: Annotated[_Seconds, _notify("How long after a job's end.", "SECONDS", "86400")] = None,
    notification_secret_file: Annotated[_OptionalPath, _notify("Secrets to sign with.", "FILE")] = None,
    database_url: Annotated[_Text, _cluster("PostgreSQL that nodes share; else SQLite in --data-dir.", "URL")] = None,
    database_pool: Annotated[_Count, _cluster("Connections to it, at most.", "N", "10")] = None,
    blob_url: Annotated[_Text, _cluster("Bucket for media; else a directory of --data-dir.", "s3://…")] = None,
    hedge_ratio: Annotated[_Seconds, _cluster("Windows that a second Triton may be asked.", "RATIO", "0")] = None,
    output_buckets: Annotated[list[str] | None, _cluster("Prefix that results may be put in.", "s3://…")] = None,
    event_output: Annotated[_Text, _cluster("Where results of jobs made by POST /events go.", "s3://…")] = None,
    event_formats: Annotated[list[str] | None, _cluster("In which forms.", "FORM")] = None,
    decode_workers: Annotated[_Count, _option("Decode processes.", "by cores and engines", "N")] = None,
    worker_priority: Annotated[
        WorkerPriority | None,
        _option("Of decoders and recognisers; idle: answers come sooner, on a machine with nothing else to do.", "low"),
    ] = None,
    drain_s: Annotated[_Seconds, _option("How long jobs may finish after SIGTERM.", "30", "SECONDS")] = None,
    node: Annotated[_Text, _option("This node's name; unique and stable.", "the host's name", "NAME")] = None,
    max_queued_jobs: Annotated[_Count, _limit("Jobs that may wait.", "10000", "N")] = None,
    max_media_bytes: Annotated[_Count, _limit("Size of a recording.", "2147483648", "BYTES")] = None,
    max_inline_bytes: Annotated[_Count, _limit("Size of one sent with its request.", "3145728", "BYTES")] = None,
    max_decoded_s: Annotated[_Seconds, _limit("Length of a recording.", "86400", "SECONDS")] = None,
    max_channels: Annotated[_Count, _limit("Channels of a recording.", "32", "N")] = None,
    max_sample_rate_hz: Annotated[_Count, _limit("Sample rate of a recording.", "384000", "HZ")] = None,
    max_page_size: Annotated[_Count, _limit("Jobs on a page.", "1000", "N")] = None,
    max_message_bytes: Annotated[_Count, _limit("Size of a gRPC request.", "4194304", "BYTES")] = None,
    max_upload_streams: Annotated[_Count, _limit("Uploads at a time.", "256", "N")] = None,
    max_calls: Annotated[_Count, _limit("Calls at a time.", "4096", "N")] = None,
    min_free_bytes: Annotated[_Count, _limit("Disk that is left free.", "1073741824", "BYTES")] = None,
    upload_ttl_s: Annotated[_Seconds, _limit("Life of an upload.", "3600", "SECONDS")] = None,
    log_level: Annotated[LogLevel | None, _option("The least that is logged.", "info")] = None,
    log_format: Annotated[LogFormat | None, _option("How it is logged.", "console")] = None,
) -> None:
    """Run a server: it loads its models once and stays up. Prints one line when it is READY.

    Each option is also a setting of the environment: --max-channels is STENOD_MAX_CHANNELS. The command line goes over
    the environment, that over the file.
    """
    given = {name: value for name, value in context.params.items() if name != "config" and value not in (None, [], ())}
    raise typer.Exit(_run(config, given))


def _run(config: Path | None, given: dict[str, Any]) -> int:
    from pydantic import ValidationError

    from stenod_server import settings
    from stenod_server.cli.progress import phases
    from stenod_server.errors import StenodError

    try:
        chosen = settings.load(config, **given)
    except ValidationError as error:
        fail("; ".join(map(_problem, error.errors())))
    except (ValueError, OSError) as error:
        fail(str(error))

    if not chosen.only_answers:
        add_missing(chosen.models_path, ["silero-vad", *(() if chosen.triton_url else chosen.models)])
        if chosen.voices_model and not chosen.triton_url:
            add_if_possible(chosen.models_path, chosen.voices_model)
        set_those_of(chosen)

    from stenod_server.app.node import run  # the whole server: not before the settings are known to be good

    with ExitStack() as bars:
        show = bars.enter_context(phases("stenod"))

        def announce(node: "Node") -> None:
            bars.close()  # the bar has told all it knows; from here on the terminal is the log's
            _announce(node)

        try:
            return asyncio.run(run(chosen, show, announce))
        except StenodError as error:
            fail(error.message)


def _announce(node: "Node") -> None:
    """The line that scripts wait for."""
    typer.echo(
        f"READY grpc={node.address} http={node.http_address} metrics={node.metrics_address} "
        f"health={node.health_address} model={node.model} engines={node.max_engines}"
    )


def _problem(error: Any) -> str:
    where = ".".join(map(str, error["loc"]))
    return f"{where}: {error['msg']}" if where else str(error["msg"]).removeprefix("Value error, ")
