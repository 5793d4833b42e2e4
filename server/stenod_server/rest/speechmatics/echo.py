"""A job's configuration as it is given back. The dataclasses that clients read it into know no key but their own, and
none of them null: one key too many, and the client cannot read the job at all.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from stenod_server.domain.job import Job
from stenod_server.domain.uri import shown
from stenod_server.text.json_v2 import tracking_of

DIALECT: Final = "speechmatics"

# What clients know that is less than what may be said; a section that is not named here is given back whole.
_KNOWN: Final[Mapping[str, frozenset[str]]] = {
    "tracking": frozenset({"title", "reference", "tags"}),
    "language_identification_config": frozenset({"expected_languages"}),
}
_SECRETS: Final = ("fetch_data", "notification_config")


def to_keep(config: Mapping[str, Any]) -> str:
    """The caller's words as JSON, without the secrets that are to be forgotten once they were used."""
    kept = dict(config)
    for name in _SECRETS:
        if isinstance(section := kept.get(name), list):
            kept[name] = [_without_secrets(one) for one in section]
        elif section:
            kept[name] = _without_secrets(section)
    if transcription := kept.get("transcription_config"):
        kept["transcription_config"] = _without_identifiers(transcription)
    return json.dumps(kept, ensure_ascii=False)


def said(job: Job) -> Mapping[str, Any]:
    """The configuration in this dialect: the caller's, or one that says of a job of another API what can be said."""
    origin = job.config.origin
    if origin.dialect == DIALECT:
        given: Mapping[str, Any] = json.loads(origin.config_json)
        return given
    made: dict[str, Any] = {
        "type": "transcription",
        "transcription_config": {"language": job.config.language},
        "tracking": tracking_of(job),
    }
    if job.media.remote:
        made["fetch_data"] = {"url": shown(job.media.remote.uri)}
    return made


def echoed(job: Job) -> dict[str, Any]:
    """What `JobDetails.config` says."""
    config: dict[str, Any] = _without_nulls(said(job))
    config.pop("fetch_text", None)
    transcription = config.get("transcription_config", {})
    if "model" in transcription:
        transcription.pop("operating_point", None)
    for name, known in _KNOWN.items():
        if name in config:
            config[name] = {key: value for key, value in config[name].items() if key in known}
    if not config.get("tracking", True):
        del config["tracking"]
    return config


def _without_secrets(section: Mapping[str, Any]) -> dict[str, Any]:
    return {name: shown(value) if name == "url" else value for name, value in section.items() if name != "auth_headers"}


def _without_identifiers(transcription: Mapping[str, Any]) -> Mapping[str, Any]:
    """The labels of known speakers stay."""
    diarization = transcription.get("speaker_diarization_config") or {}
    if not diarization.get("speakers"):
        return transcription
    speakers = [{**speaker, "speaker_identifiers": []} for speaker in diarization["speakers"]]
    return {**transcription, "speaker_diarization_config": {**diarization, "speakers": speakers}}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_nulls(one) for one in value]
    return value
