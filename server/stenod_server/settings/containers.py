"""The environment variables of the containers that stenod replaces: a table of what each means here.

The weakest source of settings, above the defaults alone. Where none is set, nothing changes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from stenod_server.domain.transcript import Warning  # noqa: A004  the word the API uses
from stenod_server.settings.language_models import DEFAULT, WIDEST_BEAM

_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})
_GREEDY_BEAM: Final = 1
_LANGUAGE_MODEL: Final = "CUSTOM_LANG_MODEL_PATH"
_BEAM: Final = "DECODER_BEAM_SIZE"
_WORKER_PORT: Final = 18_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a variable with its value comes to: a setting, a warning at start (and with every job of AssemblyAI's
    dialect where it has a `reason`), or nothing.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    http_port: int = 0
    warning: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ContainerEnvironment:
    """All of the variables that are set, by name."""

    meanings: Mapping[str, Meaning]

    def under(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that are given, with those of the containers where none is."""
        is_worker = given.get("run_mode") == "http"
        found = {name: value for meaning in self.meanings.values() for name, value in meaning.settings.items()}
        port = next((meaning.http_port for meaning in self.meanings.values() if meaning.http_port), 0)
        if is_worker or port:
            found["http_listen"] = f"{'0.0.0.0' if is_worker else '127.0.0.1'}:{port or _WORKER_PORT}"  # noqa: S104
        return {**found, **given}

    @property
    def warnings(self) -> Mapping[str, str]:
        """What an operator should know, by variable."""
        return {name: meaning.warning for name, meaning in self.meanings.items() if meaning.warning}

    @property
    def job_warnings(self) -> tuple[Warning, ...]:
        """What a caller should know of every job."""
        return tuple(Warning(one.reason, one.warning) for one in self.meanings.values() if one.reason)


def read_environment(environment: Mapping[str, str]) -> ContainerEnvironment:
    """An empty value is none. Raises ValueError naming the variable."""
    found = {}
    for name, read in _TABLE.items():
        if value := environment.get(name, "").strip():
            try:
                found[name] = read(value)
            except ValueError as error:
                message = f"{name}={value!r} in the environment: {error}"
                raise ValueError(message) from error
    if {_BEAM, _LANGUAGE_MODEL} <= found.keys():
        found |= _searched(environment[_LANGUAGE_MODEL].strip(), environment[_BEAM].strip())
    return ContainerEnvironment(found)


def _slots(value: str) -> Meaning:
    return Meaning(settings={"parallel": _count(value)})


def _reject(value: str) -> Meaning:
    return Meaning(settings={"assemblyai_admission": "reject" if _flag(value) else "queue"})


def _punctuation(value: str) -> Meaning:
    return Meaning(settings={"assemblyai_punctuation": _flag(value)})


def _beam(value: str) -> Meaning:
    return _clamped(value, _GREEDY_BEAM, f"the recogniser decodes greedily where {_LANGUAGE_MODEL} names no model")


def _language_model(value: str) -> Meaning:
    return Meaning(settings={"language_models": {DEFAULT: {"path": value}}})


def _searched(path: str, beam: str) -> Mapping[str, Meaning]:
    """What the two mean together."""
    size = min(max(_count(beam), _GREEDY_BEAM + 1), WIDEST_BEAM)
    return {
        _LANGUAGE_MODEL: Meaning(settings={"language_models": {DEFAULT: {"path": path, "beam_size": size}}}),
        _BEAM: _clamped(beam, size, f"a beam with a language model has {_GREEDY_BEAM + 1} to {WIDEST_BEAM} hypotheses"),
    }


def _clamped(value: str, size: int, why: str) -> Meaning:
    if _count(value) == size:
        return Meaning()
    return Meaning(warning=f"{_BEAM}={value} is clamped to {size}: {why}", reason="BEAM_SIZE_CLAMPED")


def _port(value: str) -> Meaning:
    port = _count(value)
    if port > 65_535:
        raise ValueError("must be a port, 1 to 65535")
    return Meaning(http_port=port)


def _history(value: str) -> Meaning:
    _count(value)
    return Meaning(warning="SM_BATCH_WORKER_MAX_JOB_HISTORY has no effect: jobs are kept on disk for retention_s")


def _inference(value: str) -> Meaning:
    scheme, separator, rest = value.rpartition("://")
    if separator and scheme not in {"http", "grpc"}:
        raise ValueError("must be HOST:PORT of Triton's gRPC, without TLS")
    host, _, port = rest.rstrip("/").rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("must be HOST:PORT of Triton's gRPC, which has port 8001 unless told otherwise")
    return Meaning(settings={"triton_url": (f"{host}:{port}",)})


def _speaker_secrets(value: str) -> Meaning:
    return Meaning(settings={"speaker_secrets_dir": value})


def _nothing(_value: str) -> Meaning:
    return Meaning()


_TABLE: Final[Mapping[str, Callable[[str], Meaning]]] = {
    "MAX_TRANSCRIPTS_PARALLEL": _slots,
    "REJECT_OVER_PARALLEL": _reject,
    "ENABLE_AUTO_PUNCTUATION": _punctuation,
    _BEAM: _beam,
    _LANGUAGE_MODEL: _language_model,
    "SM_BATCH_WORKER_LISTEN_PORT": _port,
    "SM_BATCH_WORKER_MAX_JOB_HISTORY": _history,
    "SM_INFERENCE_ENDPOINT": _inference,
    "SM_SPEAKER_ID_SECRETS_DIR": _speaker_secrets,
    "LICENSE_TOKEN": _nothing,  # there is no licence to show
}


def _count(value: str) -> int:
    if not value.isdecimal() or not value.isascii() or len(value) > 9 or int(value) < 1:
        raise ValueError("must be a whole number, at least 1")
    return int(value)


def _flag(value: str) -> bool:
    if value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise ValueError("must be True or False")
