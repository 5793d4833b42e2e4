"""Every setting of a node, read once at start: command line over environment (`STENOD_…`) over file over default.

Between file and default stands the environment of the containers that stenod replaces (`containers`).
"""

import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from stenod_server.access.options import AccessOptions, OidcOptions, TlsFiles
from stenod_server.domain.job_rules import LANGUAGE_PATTERN
from stenod_server.domain.quota import TenantLimits
from stenod_server.scheduler.routing import ANY, OPERATING_POINTS, RoutingRule, RoutingTable
from stenod_server.settings.cluster_settings import ClusterSettings
from stenod_server.settings.containers import ContainerEnvironment, read_environment
from stenod_server.settings.language_models import LanguageModel, by_recogniser

GIB = 1024**3
MIB = 1024**2
_REQUEST_BYTES = 64 * 1024  # what a request has beside its media
# Of the commands that are clients: they share the prefix. So do the test suite's switches.
_CLIENT_VARIABLES = frozenset({"server", "api_key", "api_key_file", "tls", "tls_ca", "tls_cert", "tls_key"})


def _host_and_port(value: str) -> str:
    host, separator, port = value.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > 65_535 or not host:
        message = f"{value!r} is not HOST:PORT"
        raise ValueError(message)
    return value


Address = Annotated[str, AfterValidator(_host_and_port)]


def _names(value: object) -> object:
    """One name, as it was always written, or several with commas."""
    return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value


def _rule(value: object) -> object:
    """`LANGUAGE[/OPERATING_POINT]=MODEL`, for where a table cannot be written."""
    if not isinstance(value, str):
        return value
    asked, _, model = value.partition("=")
    language, slash, point = asked.partition("/")
    return {"language": language, "model": model} | ({"operating_point": point} if slash else {})


def _checked(rule: RoutingRule) -> RoutingRule:
    if not rule.language or (rule.language != ANY and not re.fullmatch(LANGUAGE_PATTERN, rule.language)):
        message = f"language {rule.language!r} is no BCP-47 code like 'en' or 'pt-BR', nor 'auto' or '*'"
        raise ValueError(message)
    if rule.operating_point not in {ANY, *OPERATING_POINTS}:
        message = f"operating_point {rule.operating_point!r} is none of {', '.join(OPERATING_POINTS)} or '*'"
        raise ValueError(message)
    if not rule.model:
        message = "model is missing: a route is LANGUAGE[/OPERATING_POINT]=MODEL"
        raise ValueError(message)
    return rule


Names = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...], NoDecode, BeforeValidator(_names), Field(min_length=1)
]
Rule = Annotated[RoutingRule, BeforeValidator(_rule), AfterValidator(_checked)]


class Settings(ClusterSettings):
    """Immutable; an unknown key is an error, so that a typo cannot pass for a default."""

    model_config = SettingsConfigDict(env_prefix="STENOD_", extra="forbid", frozen=True)

    run_mode: Literal["http"] | None = Field(
        None,
        description="http: be the Speechmatics batch worker; the HTTP dialects are reachable from outside, on port "
        "18000, and callers are not asked who they are unless access_file or oidc_issuer is set",
    )

    # Where it listens. Port 0 picks a free one.
    listen: Address = Field("127.0.0.1:50051", description="gRPC API")
    http_listen: Address | Literal["off"] = Field("127.0.0.1:18000", description="HTTP dialects")
    assemblyai_listen: Address | Literal["off"] = Field("off", description="a second port for the HTTP dialects")
    metrics_listen: Address | Literal["off"] = Field("127.0.0.1:9090", description="Prometheus metrics")
    health_listen: Address | Literal["off"] = Field("off", description="plain-text grpc.health.v1 for probes")
    allow_unauthenticated: bool = Field(
        default=False, description="listen beyond loopback although nobody is asked who they are"
    )

    # Who may call.
    access_file: Path | None = Field(None, description="API keys and client certificates (TOML); reloaded")
    tls_cert_file: Path | None = Field(None, description="certificate chain of the API (PEM); reloaded")
    tls_key_file: Path | None = Field(None, description="its private key (PEM); reloaded")
    tls_client_ca_file: Path | None = Field(None, description="callers must show a certificate of these CAs (PEM)")
    oidc_issuer: str = Field("", description="accept JSON Web Tokens of this issuer (https://…)")
    oidc_audience: str = Field("", description="the audience such a token must be for")
    oidc_jwks_url: str = Field("", description="where its keys are; default: as the issuer's discovery says")
    oidc_tenant_claim: str = Field("tenant", description="the claim that names the tenant")
    oidc_clock_skew_s: float = Field(60.0, ge=0, le=600, description="how far its clock may be from ours")
    tenants: dict[str, TenantLimits] = Field({}, description="quotas by tenant")
    tenant_defaults: TenantLimits = Field(TenantLimits(), description="quotas of tenants not named")
    speaker_secrets_dir: Path | None = Field(
        None, description="secrets of speaker identifiers (files s.<number>); reloaded; default: one of its own"
    )

    # The HTTP dialects.
    http_cors_origins: tuple[str, ...] = Field((), description="web pages that may call them; *: any")
    model_aliases: dict[str, str] = Field(
        {"*": ""}, description="the recogniser for a model name of their clients; *: any other; empty: the default"
    )
    speechmatics_admission: Literal["queue", "reject"] = Field("reject", description="as admission, for that dialect")
    assemblyai_admission: Literal["queue", "reject"] = Field("reject", description="as admission, for that dialect")
    assemblyai_punctuation: bool = Field(default=True, description="off: none in that dialect, whatever a call says")
    guide_max_media_bytes: int = Field(100 * MIB, gt=0, description="size of a recording in the guide's dialect")
    disconnect_grace_s: float = Field(
        30.0, ge=0, description="how long a job goes on whose caller hung up, for the call to be repeated"
    )
    http_keep_alive_s: float = Field(15.0, gt=0, description="a byte to who waits for an answer, after so much silence")

    # What it keeps, and where.
    data_dir: Path = Field(Path("~/.local/share/stenod"), description="database, media, models")
    models_dir: Path | None = Field(None, description="model repository; default: <data_dir>/models")
    retention_s: float = Field(7 * 86_400.0, gt=0, description="how long ended jobs and transcripts are kept")
    keep_media: bool = Field(default=False, description="keep media as long as the transcript")
    all_formats: Path | None = Field(None, description="write every finished job in all formats to this directory")
    cache_ttl_s: float = Field(0.0, ge=0, description="reuse transcripts of the same recording so long; 0: never")

    # Fetching media from addresses.
    fetch_allow: tuple[str, ...] = Field((), description="private networks that may be fetched from (CIDR)")
    fetch_file_roots: tuple[Path, ...] = Field((), description="directories that file:// may read")
    fetch_buckets: tuple[str, ...] = Field((), description="s3://, gs://, az:// prefixes that may be read")
    fetch_timeout_s: float = Field(900.0, gt=0, description="the longest a fetch may take")
    fetch_stall_s: float = Field(30.0, gt=0, description="the longest it may wait for the next byte")

    # Telling whoever asked for it that a job has ended.
    notification_timeout_s: float = Field(30.0, gt=0, description="the longest an attempt may take, its media aside")
    notification_max_age_s: float = Field(
        86_400.0, ge=0, description="how long after a job's end it is tried to tell of it"
    )
    notification_secret_file: Path | None = Field(
        None, description="secrets that notifications are signed with (whsec_… a line); reloaded"
    )

    # Recognition.
    model: Names = Field(
        ("moonshine-tiny-en",), description="recognisers to load; the first is for jobs that name none, where it can"
    )
    routes: tuple[Rule, ...] = Field(
        (), description="the recogniser by language and operating point: LANGUAGE[/POINT]=MODEL; the first that holds"
    )
    language_models: dict[str, LanguageModel] = Field(
        {}, description="an ARPA model by recogniser; *: for the default one"
    )
    voices_model: str = Field("voices", description="the model that tells speakers apart, to load as well; empty: none")
    triton_url: tuple[str, ...] = Field((), description="Tritons (host:port, dns:///name:port); none: start an own one")
    elastic: bool = Field(default=True, description="lend idle engines to running jobs")
    admission: Literal["queue", "reject"] = Field("queue", description="what happens when no engine is free")
    window_timeout_s: float = Field(120.0, gt=0, description="the longest a window may take")
    chunk_s: float = Field(20.0, ge=1, le=600, description="what a window gives where nobody pauses")
    chunk_left_s: float = Field(5.0, ge=0, le=60, description="speech that is heard again before that, as context")
    chunk_right_s: float = Field(3.0, ge=0, le=60, description="and behind it; all three shrink alike to fit the model")
    attempts: int = Field(3, ge=1, le=100, description="attempts at a job before a passing failure is final")
    max_rescues: int = Field(5, ge=1, le=100, description="nodes a job may lose without progress before it is given up")
    window_attempts: int = Field(4, ge=1, le=100, description="tries at a window before its job is tried again")
    lease_s: float = Field(30.0, ge=1, description="a node that is silent so long has lost its jobs")

    # Audio.
    decode_workers: int | None = Field(
        None, ge=1, le=1024, description="decode processes; default: by cores and engines"
    )
    worker_priority: Literal["low", "idle"] = Field("low", description="of decoding and recognising, beside the server")
    decode_memory_bytes: int = Field(GIB, ge=0, description="address space of a decode process; 0: no limit")
    decode_cpu_s: float = Field(1800.0, gt=0, description="the most processor time the decoding of a recording takes")

    # Limits.
    max_queued_jobs: int = Field(10_000, ge=0)
    max_media_bytes: int = Field(2 * GIB, gt=0)
    max_inline_bytes: int = Field(3 * MIB, gt=0)
    max_decoded_s: float = Field(24 * 3600.0, gt=0)
    max_channels: int = Field(32, gt=0)
    max_sample_rate_hz: int = Field(384_000, gt=0)
    max_page_size: int = Field(1000, gt=0)
    max_message_bytes: int = Field(4 * MIB, ge=64 * 1024)
    max_upload_streams: int = Field(256, gt=0)
    max_calls: int = Field(4096, gt=0)
    min_free_bytes: int = Field(1 * GIB, ge=0)
    upload_ttl_s: float = Field(3600.0, gt=0)
    drain_s: float = Field(30.0, ge=0, description="how long running jobs may finish after SIGTERM")

    # What it says.
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"
    node: str = Field(default_factory=socket.gethostname, description="this node's name; unique and stable")

    _containers: ContainerEnvironment = PrivateAttr(default_factory=lambda: read_environment(os.environ))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings  # one way to say a thing
        sources = [init_settings, env_settings]
        if settings_cls.model_config.get("toml_file"):
            sources.append(TomlConfigSettingsSource(settings_cls))
        return tuple(sources)

    @model_validator(mode="before")
    @classmethod
    def _follow_containers(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Of what no better source says anything, what the environment of a container that is replaced says."""
        return read_environment(os.environ).under(given)

    @model_validator(mode="after")
    def _guard_the_door(self) -> Self:
        """Where callers are not authenticated, only the machine itself may call; and whoever could call the worker that
        is replaced, on its one port.
        """
        exposed = self._exposed(but="http_listen" if self.run_mode else "")
        if exposed and not self.authenticates and not self.allow_unauthenticated:
            message = (
                f"{exposed} is reachable from outside, and callers are not authenticated; set "
                "access_file (`stenod keys create`) or oidc_issuer, listen on 127.0.0.1, or set allow_unauthenticated "
                "where the network is trusted"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _check_access(self) -> Self:
        """What belongs together, and what would let in nobody, or the wrong ones."""
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            missing = "tls_key_file" if self.tls_cert_file else "tls_cert_file"
            message = f"{missing} is missing: a certificate and its key go together"
            raise ValueError(message)
        if self.tls_client_ca_file and not self.tls_cert_file:
            message = "tls_client_ca_file needs tls_cert_file: a certificate is shown over TLS alone"
            raise ValueError(message)
        if self.tls_client_ca_file and not self.authenticates:
            message = (
                "tls_client_ca_file says who may connect, but nothing says whose a certificate is: list its name in "
                "the access_file, under [[certificates]]"
            )
            raise ValueError(message)
        if self.oidc_issuer and not self.oidc_audience:
            message = "oidc_audience is missing: without one, a token that was made for another service would do"
            raise ValueError(message)
        if not self.oidc_issuer and (self.oidc_jwks_url or self.oidc_audience):
            message = "oidc_issuer is missing"
            raise ValueError(message)
        for name in ("oidc_issuer", "oidc_jwks_url"):
            if not _is_trustworthy(getattr(self, name)):
                message = f"{name} must be https://…: whoever can change its keys on the way can be anybody"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        if self.max_inline_bytes + _REQUEST_BYTES > self.max_message_bytes:
            message = (
                f"max_inline_bytes = {self.max_inline_bytes} does not fit into a request of max_message_bytes = "
                f"{self.max_message_bytes}; leave {_REQUEST_BYTES} bytes for the rest of it"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _check_language_models(self) -> Self:
        if self.language_models and self.triton_url:
            message = (
                "language_models are for an own Triton; where triton_url names one, put them into its models: `stenod "
                "models set-language-model`"
            )
            raise ValueError(message)
        return self

    @property
    def containers(self) -> ContainerEnvironment:
        """The variables that were found, for the log and the warnings of jobs."""
        return self._containers

    @property
    def authenticates(self) -> bool:
        """Whether callers are asked who they are: wherever there is something to know them by, on loopback too."""
        return self.access_file is not None or bool(self.oidc_issuer)

    @property
    def is_exposed(self) -> bool:
        """Whether others than this machine can reach an API."""
        return bool(self._exposed())

    def _exposed(self, *, but: str = "") -> str:
        """The first listener that others can reach, with its setting."""
        names = [name for name in ("listen", "http_listen", "assemblyai_listen") if name != but]
        listeners = ((name, str(getattr(self, name))) for name in names)
        return next((f"{name} = {at!r}" for name, at in listeners if at != "off" and not _is_loopback(at)), "")

    @property
    def access(self) -> AccessOptions:
        oidc = OidcOptions(
            issuer=self.oidc_issuer,
            audience=self.oidc_audience,
            jwks_url=self.oidc_jwks_url,
            tenant_claim=self.oidc_tenant_claim,
            clock_skew_s=self.oidc_clock_skew_s,
        )
        return AccessOptions(access_file=self.access_file, oidc=oidc if self.oidc_issuer else None)

    @property
    def tls(self) -> TlsFiles | None:
        if not self.tls_cert_file or not self.tls_key_file:
            return None
        return TlsFiles(
            cert_file=self.tls_cert_file, key_file=self.tls_key_file, client_ca_file=self.tls_client_ca_file
        )

    @property
    def default_model(self) -> str:
        return self.model[0]

    @property
    def language_models_by_name(self) -> Mapping[str, LanguageModel]:
        return by_recogniser(self.language_models, self.default_model)

    @property
    def routing(self) -> RoutingTable:
        return RoutingTable(self.routes, self.model, self.voices_model)

    @property
    def models(self) -> tuple[str, ...]:
        """The recognisers that a Triton is to have loaded."""
        return self.routing.models

    @property
    def data_path(self) -> Path:
        return self.data_dir.expanduser().resolve()

    @property
    def models_path(self) -> Path:
        return (self.models_dir or self.data_path / "models").expanduser().resolve()


def load(config_file: Path | None = None, **given: Any) -> Settings:
    """Settings from the command line's `given` (None = not given), the environment and `config_file` (TOML).

    Raises ValueError (pydantic's ValidationError) naming each bad setting, FileNotFoundError for a missing file.
    """
    if config_file is not None and not config_file.is_file():
        raise FileNotFoundError(config_file)
    unknown = {key for key in os.environ if key.startswith("STENOD_") and not _is_known(key)}
    if unknown:
        message = f"unknown settings in the environment: {', '.join(sorted(unknown))}"
        raise ValueError(message)

    class SettingsWithFile(Settings):
        model_config = SettingsConfigDict(toml_file=config_file)

    return SettingsWithFile(**{key: value for key, value in given.items() if value is not None})


def _is_known(variable: str) -> bool:
    name = variable.removeprefix("STENOD_").lower()
    return name in Settings.model_fields or name in _CLIENT_VARIABLES or name.startswith("test_")


def _is_trustworthy(url: str) -> bool:
    """Empty, https, or on this machine."""
    parts = urlsplit(url)
    return not url or parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(f"{parts.hostname}:0"))


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
