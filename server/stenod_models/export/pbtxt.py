"""Reads and changes the few things a builder needs of a config.pbtxt, without Triton or protobuf."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from stenod_models.contract import PROFILE_PARAMETER, VOICES_PROFILE_PARAMETER, Profile, VoicesProfile
from stenod_models.export.errors import ModelBuildError
from stenod_models.model_config import THREADS_PARAMETER

_PARAMETER: Final = re.compile(
    r'(?P<head>parameters\s*\{\s*key:\s*"(?P<key>\w+)"\s*value\s*\{\s*string_value:\s*)(?P<value>"(?:[^"\\]|\\.)*")'
)
_NAME: Final = re.compile(r'^name: *"[^"]*"', re.MULTILINE)
_MAX_BATCH: Final = re.compile(r"^(max_batch_size: *)\d+", re.MULTILINE)
_PREFERRED_BATCH: Final = re.compile(r"(preferred_batch_size: *\[ *)\d+")
_INSTANCE_GROUP: Final = re.compile(
    r"^instance_group\s*\[\s*\{\s*kind:\s*KIND_\w+\s*count:\s*(?P<count>\d+)\s*(?:gpus:\s*\[[^\]]*\]\s*)?\}\s*\]",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Placement:
    """`instances` are of each GPU, 0: as many as there were. `gpus` are Triton's numbers; where none is named, every
    GPU that Triton sees gets as many instances, and the profile tells of one GPU's.
    """

    device: str
    instances: int = 0
    gpus: tuple[int, ...] = ()


def profile_of(config: Path) -> Profile:
    """The profile that the config.pbtxt of a recogniser publishes. Raises ModelBuildError where there is none."""
    return _profile(config.read_text(), str(config))


def voices_profile_of(config: Path) -> VoicesProfile:
    """The one that the config.pbtxt of a model of voices publishes. Raises ModelBuildError where there is none."""
    return VoicesProfile.from_json(_published(config.read_text(), VOICES_PROFILE_PARAMETER, str(config)))


def set_instances(config: Path, *, instances: int, threads: int) -> None:
    """Have Triton start `instances` copies of the model on the CPU, each with `threads` ONNX Runtime threads (0: one
    per core).

    One thread per instance is fastest: work inside a step is too small to share. Raises ModelBuildError.
    """
    set_placement(config, Placement("cpu", instances))
    config.write_text(_with_parameters(config.read_text(), {THREADS_PARAMETER: str(threads)}))


def set_placement(config: Path, placement: Placement) -> None:
    """Have Triton run the model there, and the profile say in how many instances. Raises ModelBuildError."""
    text = config.read_text()
    key, profile = _any_profile(text, str(config))
    found = _INSTANCE_GROUP.search(text)
    if found is None:
        raise ModelBuildError(f"{config} has no instance_group with a kind and a count")
    count = placement.instances or int(found["count"])
    kind = {"cpu": "KIND_CPU", "cuda": "KIND_GPU"}[placement.device]
    gpus = f" gpus: [ {', '.join(map(str, placement.gpus))} ]" if placement.gpus else ""
    changed = text.replace(found[0], f"instance_group [ {{ kind: {kind} count: {count}{gpus} }} ]")
    profile = replace(profile, instances=count * max(1, len(placement.gpus)))
    config.write_text(_with_parameters(changed, {key: profile.to_json()}))


def set_identity(config: Path, *, name: str, licence: str) -> None:
    """Name the model as its directory is named, and its licence where one is known. Raises ModelBuildError."""
    text = config.read_text()
    profile = _profile(text, str(config))
    profile = replace(profile, model=name, licence=licence or profile.licence)
    named, count = _NAME.subn(f'name: "{name}"', text, count=1)
    if not count:
        raise ModelBuildError(f"{config} has no name")
    config.write_text(_with_parameters(named, {PROFILE_PARAMETER: profile.to_json()}))


def set_profile(config: Path, profile: Profile) -> None:
    """Publish this profile, and batch as it says. Raises ModelBuildError where there was none to replace."""
    text = config.read_text()
    _profile(text, str(config))
    for pattern in (_MAX_BATCH, _PREFERRED_BATCH):
        text = pattern.sub(rf"\g<1>{profile.max_batch_size}", text)
    config.write_text(_with_parameters(text, {PROFILE_PARAMETER: profile.to_json()}))


def published_revision(config: Path) -> str:
    """What the profile, of whichever kind, says; empty where it says nothing. Raises ModelBuildError without one."""
    return _any_profile(config.read_text(), str(config))[1].revision


def set_revision(config: Path, revision: str) -> None:
    """Have the profile say what the model was built from. Raises ModelBuildError where there is no profile."""
    text = config.read_text()
    key, profile = _any_profile(text, str(config))
    config.write_text(_with_parameters(text, {key: replace(profile, revision=revision).to_json()}))


def _with_parameters(text: str, values: Mapping[str, str]) -> str:
    def rewritten(found: re.Match[str]) -> str:
        value = values.get(found["key"])
        return found[0] if value is None else found["head"] + json.dumps(value)

    return _PARAMETER.sub(rewritten, text)


def _profile(text: str, source: str) -> Profile:
    return Profile.from_json(_published(text, PROFILE_PARAMETER, source))


def _any_profile(text: str, source: str) -> tuple[str, Profile | VoicesProfile]:
    """Of a recogniser or of a model of voices, and the parameter that it stands in."""
    keys = {found["key"] for found in _PARAMETER.finditer(text)}
    if VOICES_PROFILE_PARAMETER not in keys:
        return PROFILE_PARAMETER, _profile(text, source)
    published = _published(text, VOICES_PROFILE_PARAMETER, source)
    return VOICES_PROFILE_PARAMETER, VoicesProfile.from_json(published)


def _published(text: str, key: str, source: str) -> str:
    for found in _PARAMETER.finditer(text):
        if found["key"] == key:
            return str(json.loads(found["value"]))
    raise ModelBuildError(f"{source} has no parameter {key}")
