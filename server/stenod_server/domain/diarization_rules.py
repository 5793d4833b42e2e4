"""What a job may ask of who said what, whichever dialect it is written in."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from stenod_server.domain import job_rules
from stenod_server.domain.diarization import Diarization, DiarizationMode
from stenod_server.errors import InvalidField, LimitExceeded

MAX_SPEAKERS: Final = 100
MAX_CHANNEL_LABELS: Final = 32
MAX_CHANNEL_LABEL_CHARACTERS: Final = 64
CHANNEL_LABEL_PATTERN: Final = "^[A-Za-z0-9._-]+$"
# What the gRPC API calls the fields of a Diarization; what knows no dialect says these, and a dialect puts its own in
# their place.
FIELDS: Final[Mapping[str, str]] = {
    "mode": "config.diarization.mode",
    "channel_labels": "config.diarization.channel_labels",
    "sensitivity": "config.diarization.speaker_sensitivity",
    "min_speakers": "config.diarization.min_speakers",
    "max_speakers": "config.diarization.max_speakers",
    "prefer_current_speaker": "config.diarization.prefer_current_speaker",
    "return_identifiers": "config.diarization.return_speaker_identifiers",
    "known_speakers": "config.diarization.known_speakers",
}
_NOTHING: Final = Diarization()
_MODES: Final[Mapping[str, DiarizationMode]] = {
    "channel_labels": DiarizationMode.CHANNEL,
    "sensitivity": DiarizationMode.SPEAKER,
    "min_speakers": DiarizationMode.SPEAKER,
    "max_speakers": DiarizationMode.SPEAKER,
    "prefer_current_speaker": DiarizationMode.SPEAKER,
    "return_identifiers": DiarizationMode.SPEAKER,
    "known_speakers": DiarizationMode.SPEAKER,
}


def check(asked: Diarization, names: Mapping[str, str], *, label_pattern: str = CHANNEL_LABEL_PATTERN) -> Diarization:
    """`names`: what the caller calls the fields of a Diarization that they can give. What says the default asks for
    nothing, and goes with every mode. Raises InvalidField, LimitExceeded.
    """
    mode = names["mode"].rpartition(".")[2]
    for field, needed in _MODES.items():
        if asked.mode is not needed and getattr(asked, field) != getattr(_NOTHING, field):
            raise InvalidField(names[field], f"goes with {mode} {needed} alone, not with {asked.mode}")
    if asked.channel_labels:
        _check_labels(names["channel_labels"], asked.channel_labels, label_pattern)
    job_rules.within(names["sensitivity"], asked.sensitivity, 1)
    if asked.max_speakers and asked.max_speakers < asked.min_speakers:
        least = names["min_speakers"].rpartition(".")[2]
        raise InvalidField(
            names["max_speakers"], f"must be at least {least} ({asked.min_speakers}), got {asked.max_speakers}"
        )
    return asked


def speaker_count(field: str, count: int | None) -> int:
    """0 for None, which is nobody's wish. Raises InvalidField."""
    if count is None:
        return 0
    if not 1 <= count <= MAX_SPEAKERS:
        raise InvalidField(field, f"must be from 1 to {MAX_SPEAKERS}, got {count}")
    return count


def _check_labels(field: str, labels: Sequence[str], pattern: str) -> None:
    if len(labels) > MAX_CHANNEL_LABELS:
        raise LimitExceeded(field, limit="labels of channels", allowed=MAX_CHANNEL_LABELS, actual=len(labels))
    for place, label in enumerate(labels):
        job_rules.label(f"{field}.{place}", label, MAX_CHANNEL_LABEL_CHARACTERS)
        if not re.fullmatch(pattern, label):
            raise InvalidField(f"{field}.{place}", f"{label!r} is not of the form {pattern}")
    if len(set(labels)) < len(labels):
        raise InvalidField(field, "no two channels may have the same label")
