"""What the OpenAPI document says of the form of a submit: every key there is, and of those that are refused the values
that ask for nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

from stenod_server.domain import job_rules
from stenod_server.rest.speechmatics.outcomes import KEYS, Key, Outcome
from stenod_server.rest.speechmatics.wire import config_schema

_NOTHING: Final[Mapping[str, object]] = {"null": None, "boolean": False, "string": "", "array": [], "object": {}}


def submit_form() -> dict[str, Any]:
    """The request body."""
    schema = {
        "type": "object",
        "required": ["config"],
        "properties": {
            "config": _config(),
            "data_file": {
                "type": "string",
                "format": "binary",
                "description": "The recording, unless there is fetch_data",
            },
        },
        "additionalProperties": False,
    }
    encoding = {"config": {"contentType": "application/json"}}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema, "encoding": encoding}}}


def links() -> dict[str, Any]:
    """What can be done with a job that was accepted."""
    return {
        name: {"operationId": f"Speechmatics{name}", "parameters": {"job_id": "$response.body#/id"}}
        for name in ("Get", "Transcript", "Data", "Log", "Delete")
    }


def _config() -> dict[str, Any]:
    whole = config_schema()
    transcription = whole["properties"]["transcription_config"] = _section(whole["properties"]["transcription_config"])
    whole["required"] = [*whole["required"], "transcription_config"]
    transcription["properties"]["language"] |= {
        "pattern": job_rules.LANGUAGE_PATTERN,
        "maxLength": job_rules.MAX_LANGUAGE_CHARACTERS,
    }
    for key in KEYS:
        if key.outcome in {Outcome.UNBUILT, Outcome.REFUSED}:
            *path, name = key.path.split(".")
            section = whole
            for step in path:
                section = _section(section["properties"][step])
            section["properties"][name] = _refused(section["properties"][name], key)
    return whole


def _section(schema: dict[str, Any]) -> dict[str, Any]:
    """The object that a key may have as its value, beside null."""
    return next(kind for kind in schema.get("anyOf", [schema]) if "properties" in kind)


def _refused(schema: Mapping[str, Any], key: Key) -> dict[str, Any]:
    kinds = [kind["type"] for kind in schema.get("anyOf", [schema]) if "enum" not in kind]
    nothing = [_NOTHING[kind] for kind in kinds if kind in _NOTHING]
    return {"enum": [*key.neutral, *nothing], "description": f"Any other value is {key.outcome}"}
