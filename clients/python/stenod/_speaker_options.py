"""The keywords that say who said what."""

from collections.abc import Mapping
from typing import Final

from stenod._choice import chosen
from stenod.v1 import job_pb2, speaker_pb2

_MODES: Final = {
    "none": job_pb2.DIARIZATION_MODE_NONE,
    "channel": job_pb2.DIARIZATION_MODE_CHANNEL,
    "speaker": job_pb2.DIARIZATION_MODE_SPEAKER,
}


def apply_speakers(config: job_pb2.JobConfig, name: str, value: object) -> bool:
    """Whether it is one of these keywords, with a value of its kind. Raises InvalidRequest."""
    diarization = config.diarization
    match name, value:
        case "diarization", str():
            diarization.mode = chosen(name, value, _MODES)
        case "channel_labels", [*labels]:
            diarization.channel_labels[:] = map(str, labels)
        case (("min_speakers" | "max_speakers"), int()) | ("speaker_sensitivity", (int() | float())):
            setattr(diarization, name, value)
        case (("prefer_current_speaker" | "return_speaker_identifiers"), bool()):
            setattr(diarization, name, value)
        case "known_speakers", Mapping():
            diarization.ClearField("known_speakers")
            diarization.known_speakers.extend(
                speaker_pb2.KnownSpeaker(label=label, identifiers=identifiers) for label, identifiers in value.items()
            )
        case _:
            return False
    return True
