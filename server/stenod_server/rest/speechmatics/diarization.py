"""Who said what, in the words of this dialect."""

from collections.abc import Mapping, Sequence
from typing import Final

from stenod_server.domain import diarization_rules, job_rules
from stenod_server.domain.diarization import DEFAULT_SENSITIVITY, Diarization, DiarizationMode, KnownSpeaker
from stenod_server.rest.speechmatics import wire

_SECTION: Final = "transcription_config.speaker_diarization_config"
NAMES: Final[Mapping[str, str]] = {
    "mode": "transcription_config.diarization",
    "channel_labels": "transcription_config.channel_diarization_labels",
    "sensitivity": f"{_SECTION}.speaker_sensitivity",
    "min_speakers": "",  # there is none
    "max_speakers": f"{_SECTION}.max_speakers",
    "prefer_current_speaker": f"{_SECTION}.prefer_current_speaker",
    "return_identifiers": f"{_SECTION}.get_speakers",
    "known_speakers": f"{_SECTION}.speakers",
}


def read_diarization(transcription: wire.TranscriptionConfig) -> Diarization:
    """Raises InvalidField, LimitExceeded."""
    asked = transcription.speaker_diarization_config or wire.SpeakerDiarizationConfig()
    sensitivity = asked.speaker_sensitivity
    return diarization_rules.check(
        Diarization(
            mode=DiarizationMode(transcription.diarization or DiarizationMode.NONE),
            channel_labels=tuple(transcription.channel_diarization_labels or ()),
            sensitivity=DEFAULT_SENSITIVITY if sensitivity is None else sensitivity,
            max_speakers=diarization_rules.speaker_count(NAMES["max_speakers"], asked.max_speakers),
            prefer_current_speaker=asked.prefer_current_speaker or False,
            return_identifiers=asked.get_speakers or False,
            known_speakers=_known_speakers(asked.speakers or ()),
        ),
        NAMES,
        label_pattern=wire.CHANNEL_LABEL_PATTERN,
    )


def _known_speakers(given: Sequence[wire.KnownSpeaker]) -> tuple[KnownSpeaker, ...]:
    known = [KnownSpeaker(one.label, tuple(one.speaker_identifiers)) for one in given]
    return job_rules.known_speakers(NAMES["known_speakers"], known, identifiers_name="speaker_identifiers")
