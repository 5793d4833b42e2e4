"""How the text is written, in the words of this dialect."""

from collections.abc import Mapping
from typing import Final

from stenod_server.domain import formatting_rules
from stenod_server.domain.formatting import DEFAULT_SENSITIVITY, Formatting, Replacement
from stenod_server.rest.speechmatics import wire

NAMES: Final[Mapping[str, str]] = {
    "permitted_marks": "transcription_config.punctuation_overrides.permitted_marks",
    "punctuation_sensitivity": "transcription_config.punctuation_overrides.sensitivity",
    "entities": "transcription_config.enable_entities",
    "remove_disfluencies": "transcription_config.transcript_filtering_config.remove_disfluencies",
    "output_locale": "transcription_config.output_locale",
    "volume_threshold": "transcription_config.audio_filtering_config.volume_threshold",
    "replacements": "transcription_config.transcript_filtering_config.replacements",
}


def read_formatting(transcription: wire.TranscriptionConfig) -> Formatting:
    """Numbers are written in digits, as that product does without being asked. Raises InvalidField, LimitExceeded."""
    punctuation = transcription.punctuation_overrides or wire.PunctuationOverrides()
    audio = transcription.audio_filtering_config or wire.AudioFilteringConfig()
    words = transcription.transcript_filtering_config or wire.TranscriptFilteringConfig()
    marks, sensitivity = punctuation.permitted_marks, punctuation.sensitivity
    asked = Formatting(
        punctuation=marks != [],
        permitted_marks=() if marks in (None, [wire.ALL_MARKS]) else tuple(marks),
        punctuation_sensitivity=DEFAULT_SENSITIVITY if sensitivity is None else sensitivity,
        numerals=True,
        entities=transcription.enable_entities or False,
        remove_disfluencies=words.remove_disfluencies or False,
        output_locale=transcription.output_locale or "",
        volume_threshold=audio.volume_threshold or 0.0,
        replacements=tuple(Replacement(one.before, one.after) for one in words.replacements or ()),
        asked=("punctuation",) if marks else (),
    )
    return formatting_rules.check(asked, NAMES)
