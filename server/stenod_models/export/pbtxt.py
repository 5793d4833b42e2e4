"""Reads the few things the builder needs from a config.pbtxt, without Triton or protobuf."""

import json
import re
from pathlib import Path

from stenod_models.contract import PROFILE_PARAMETER, Profile
from stenod_models.export.errors import ModelBuildError

_PARAMETER = re.compile(
    r'parameters\s*\{\s*key:\s*"(?P<key>\w+)"\s*value\s*\{\s*string_value:\s*(?P<value>"(?:[^"\\]|\\.)*")'
)


def parameters_of(config: Path) -> dict[str, str]:
    """The string parameters by key."""
    return {found["key"]: json.loads(found["value"]) for found in _PARAMETER.finditer(config.read_text())}


def profile_of(config: Path) -> Profile:
    """Raises ModelBuildError where the file publishes no profile."""
    text = parameters_of(config).get(PROFILE_PARAMETER)
    if text is None:
        raise ModelBuildError(f"{config} has no parameter {PROFILE_PARAMETER}")
    return Profile.from_json(text)
