"""Configurations of the dialect, read."""

import json
from typing import Any, Final

from stenod_server.rest.speechmatics.config import Asked, read_config
from stenod_server.rest.speechmatics.wire import ProcessingData

PLAIN: Final[dict[str, Any]] = {"type": "transcription", "transcription_config": {"language": "en"}}


def with_value(path: str, value: object) -> dict[str, Any]:
    """A good configuration with one more key, and what must stand beside it."""
    config: dict[str, Any] = json.loads(json.dumps(PLAIN))
    *sections, name = path.split(".")
    place = config
    for section in sections:
        place = place.setdefault(section, {})
    place[name] = value
    return config


def read(config: object) -> Asked:
    text = config if isinstance(config, str) else json.dumps(config)
    return read_config(text, ProcessingData(), request_id="mine")
