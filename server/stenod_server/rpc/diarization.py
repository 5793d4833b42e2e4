"""What a job asks of who said what: the API's words ↔ the domain's."""

from typing import Final

from stenod.v1 import job_pb2
from stenod_server.domain import diarization_rules, job_rules
from stenod_server.domain.diarization import DEFAULT_SENSITIVITY, Diarization, DiarizationMode, KnownSpeaker
from stenod_server.domain.diarization_rules import FIELDS
from stenod_server.errors import InvalidField
from stenod_server.rpc.decimals import as_decimal

MODES: Final = {
    job_pb2.DIARIZATION_MODE_UNSPECIFIED: DiarizationMode.NONE,
    job_pb2.DIARIZATION_MODE_NONE: DiarizationMode.NONE,
    job_pb2.DIARIZATION_MODE_CHANNEL: DiarizationMode.CHANNEL,
    job_pb2.DIARIZATION_MODE_SPEAKER: DiarizationMode.SPEAKER,
}
NUMBERS: Final = {mode: number for number, mode in MODES.items()}


def from_proto(message: job_pb2.DiarizationConfig) -> Diarization:
    """Raises InvalidField, LimitExceeded."""
    if message.mode not in MODES:
        raise InvalidField(FIELDS["mode"], f"{message.mode} is none that this server knows")
    asked = Diarization(
        mode=MODES[message.mode],
        channel_labels=tuple(message.channel_labels),
        sensitivity=(
            as_decimal(message.speaker_sensitivity) if message.HasField("speaker_sensitivity") else DEFAULT_SENSITIVITY
        ),
        min_speakers=_count(message, "min_speakers"),
        max_speakers=_count(message, "max_speakers"),
        prefer_current_speaker=message.prefer_current_speaker,
        return_identifiers=message.return_speaker_identifiers,
        known_speakers=_known_speakers(message),
    )
    return diarization_rules.check(asked, FIELDS)


def to_proto(asked: Diarization) -> job_pb2.DiarizationConfig:
    """What is as ever is left out, and so are the identifiers of known speakers, which may be secret."""
    return job_pb2.DiarizationConfig(
        mode=NUMBERS[asked.mode],
        channel_labels=asked.channel_labels,
        speaker_sensitivity=asked.sensitivity if asked.sensitivity != DEFAULT_SENSITIVITY else None,
        min_speakers=asked.min_speakers or None,
        max_speakers=asked.max_speakers or None,
        return_speaker_identifiers=asked.return_identifiers,
        prefer_current_speaker=asked.prefer_current_speaker,
    )


def _known_speakers(message: job_pb2.DiarizationConfig) -> tuple[KnownSpeaker, ...]:
    given = [KnownSpeaker(one.label, tuple(one.identifiers)) for one in message.known_speakers]
    return job_rules.known_speakers(FIELDS["known_speakers"], given)


def _count(message: job_pb2.DiarizationConfig, field: str) -> int:
    given = getattr(message, field) if message.HasField(field) else None
    return diarization_rules.speaker_count(FIELDS[field], given)
