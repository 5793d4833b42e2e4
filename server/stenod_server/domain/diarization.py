"""What a job asks of who said what."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

DEFAULT_SENSITIVITY: Final = 0.5
UNKNOWN_SPEAKER: Final = "UU"  # the label of words of which it is not known who said them


class DiarizationMode(StrEnum):
    """How it is found who said what."""

    NONE = "none"  # channels are mixed, speakers are not told apart
    CHANNEL = "channel"  # each channel is recognised on its own; words carry its label
    SPEAKER = "speaker"  # speakers are told apart by their voices


@dataclass(frozen=True, slots=True)
class KnownSpeaker:
    """Somebody whose voice earlier jobs have identified. `identifiers` are opaque and may be secret: never logged,
    never shown, forgotten when the job's retention ends.
    """

    label: str
    identifiers: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diarization:
    """`channel_labels` are of the channels in order; those behind the last label are called `Channel N`.
    `sensitivity`, 0 to 1: how readily a new speaker is assumed. `min_speakers` and `max_speakers` 0: any number.
    """

    mode: DiarizationMode = DiarizationMode.NONE
    channel_labels: tuple[str, ...] = ()
    sensitivity: float = DEFAULT_SENSITIVITY
    min_speakers: int = 0
    max_speakers: int = 0
    prefer_current_speaker: bool = False
    return_identifiers: bool = False
    known_speakers: tuple[KnownSpeaker, ...] = ()

    @property
    def has_to_do_with_identifiers(self) -> bool:
        return self.return_identifiers or bool(self.known_speakers)

    def without_identifiers(self) -> "Diarization":
        """The labels of known speakers stay."""
        return replace(self, known_speakers=tuple(replace(one, identifiers=()) for one in self.known_speakers))

    def channel_label(self, channel: int) -> str:
        """Of a channel, counted from 0."""
        return self.channel_labels[channel] if channel < len(self.channel_labels) else f"Channel {channel + 1}"
