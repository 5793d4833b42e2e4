"""The configuration of a job as its callers write it: every key there is, and its type. What becomes of each key is
said in `outcomes`. Unknown keys are refused; what is null is as good as absent.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from stenod_server.domain import diarization_rules, formatting_rules
from stenod_server.domain.formatting import MARKS

MAX_ENGINES: Final = 2**31 - 1  # beyond any machine, and within what every store can keep
CHANNEL_LABEL_PATTERN: Final = "^[A-Za-z0-9._]+$"
ALL_MARKS: Final = "all"
_LABEL: Final = {"pattern": CHANNEL_LABEL_PATTERN, "maxLength": diarization_rules.MAX_CHANNEL_LABEL_CHARACTERS}
_LABELS: Final = diarization_rules.MAX_CHANNEL_LABELS
_TEXT: Final = formatting_rules.MAX_REPLACEMENT_CHARACTERS
_Ratio = Annotated[float, Field(ge=0, le=1)]


def _says(**limits: Any) -> Any:
    """For the document alone: what is beyond them is refused where the job is checked, in the same words everywhere."""
    return Field(json_schema_extra=limits)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class FetchData(_Section):
    """Where the recording, or the text, is to be fetched from."""

    url: str
    auth_headers: list[str] | None = None


class KnownSpeaker(_Section):
    label: str
    speaker_identifiers: list[str]


class SpeakerDiarizationConfig(_Section):
    speaker_sensitivity: _Ratio | None = None
    prefer_current_speaker: bool | None = None
    get_speakers: bool | None = None
    speakers: list[KnownSpeaker] | None = None
    max_speakers: Annotated[int | None, _says(minimum=1, maximum=diarization_rules.MAX_SPEAKERS)] = None


class VocabularyItem(_Section):
    content: str
    sounds_like: list[str] | None = None


class PunctuationOverrides(_Section):
    sensitivity: _Ratio | None = None
    permitted_marks: Annotated[list[str] | None, _says(items={"enum": [*MARKS, ALL_MARKS]})] = None


class AudioFilteringConfig(_Section):
    volume_threshold: Annotated[float, Field(ge=0, le=100)] | None = None


class Replacement(_Section):
    """What is written, and what shall be written for it."""

    before: Annotated[str, Field(alias="from", json_schema_extra={"maxLength": _TEXT})]
    after: Annotated[str, Field(alias="to", json_schema_extra={"maxLength": _TEXT})]


class TranscriptFilteringConfig(_Section):
    remove_disfluencies: bool | None = None
    replacements: Annotated[list[Replacement] | None, _says(maxItems=formatting_rules.MAX_REPLACEMENTS)] = None


class TranscriptionConfig(_Section):
    language: Annotated[str, Field(description="BCP-47, or `auto`")]
    model: str | None = None
    operating_point: Annotated[
        str | None, Field(description="An older name of `model`", json_schema_extra={"deprecated": True})
    ] = None
    output_locale: str | None = None
    domain: str | None = None
    diarization: Literal["none", "speaker", "channel"] | None = None
    speaker_diarization_config: SpeakerDiarizationConfig | None = None
    channel_diarization_labels: Annotated[list[str] | None, _says(items=_LABEL, uniqueItems=True, maxItems=_LABELS)] = (
        None
    )
    additional_vocab: list[VocabularyItem | str] | None = None
    punctuation_overrides: PunctuationOverrides | None = None
    enable_entities: bool | None = None
    audio_filtering_config: AudioFilteringConfig | None = None
    transcript_filtering_config: TranscriptFilteringConfig | None = None
    enable_partials: bool | None = None
    max_delay: float | None = None
    max_delay_mode: str | None = None
    language_hints: list[str] | None = None
    language_hints_strict: bool | None = None


class AlignmentConfig(_Section):
    language: str


class NotificationConfig(_Section):
    url: str
    contents: list[str] | None = None
    method: Literal["post", "put"] | None = None
    auth_headers: Annotated[list[str] | None, Field(description='"Name: value"')] = None


class Tracking(_Section):
    title: str | None = None
    reference: str | None = None
    tags: list[str] | None = None
    details: dict[str, Any] | None = None


class TranslationConfig(_Section):
    target_languages: Annotated[list[str], Field(max_length=5)]
    enable_partials: bool | None = None


class LanguageIdentificationConfig(_Section):
    expected_languages: list[str] | None = None
    low_confidence_action: Literal["allow", "reject", "use_default_language"] | None = None
    default_language: str | None = None


class SummarizationConfig(_Section):
    content_type: Literal["auto", "informative", "conversational"] | None = None
    summary_length: Literal["brief", "detailed"] | None = None
    summary_type: Literal["paragraphs", "bullets"] | None = None


class SentimentAnalysisConfig(_Section):
    enable_sentiment: bool | None = None


class TopicDetectionConfig(_Section):
    topics: list[str] | None = None


class AutoChaptersConfig(_Section):
    enable_chapters: bool | None = None


class AudioEventsConfig(_Section):
    types: list[str] | None = None


class SrtOverrides(_Section):
    max_line_length: int | None = None
    max_lines: int | None = None


class OutputConfig(_Section):
    srt_overrides: SrtOverrides | None = None
    generate_lattice: bool | None = None


class WireConfig(_Section):
    """The field `config` of a form."""

    type: Literal["transcription", "alignment"]
    transcription_config: TranscriptionConfig | None = None
    fetch_data: FetchData | None = None
    fetch_text: FetchData | None = None
    alignment_config: AlignmentConfig | None = None
    notification_config: Annotated[list[NotificationConfig] | None, Field(max_length=3)] = None
    tracking: Tracking | None = None
    translation_config: TranslationConfig | None = None
    language_identification_config: LanguageIdentificationConfig | None = None
    summarization_config: SummarizationConfig | None = None
    sentiment_analysis_config: SentimentAnalysisConfig | None = None
    topic_detection_config: TopicDetectionConfig | None = None
    auto_chapters_config: AutoChaptersConfig | None = None
    audio_events_config: AudioEventsConfig | None = None
    output_config: OutputConfig | None = None


class ProcessingData(_Section):
    """The header `X-SM-Processing-Data`."""

    parallel_engines: Annotated[int, Field(ge=1, le=MAX_ENGINES)] | None = None
    user_id: str | None = None


def config_schema() -> dict[str, Any]:
    """The JSON schema of a configuration, without references: inside of another document they would lead nowhere."""
    schema = WireConfig.model_json_schema()
    sections = schema.pop("$defs")
    inlined: dict[str, Any] = _inlined(schema, sections)
    return inlined


def _inlined(value: Any, sections: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_inlined(one, sections) for one in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _inlined(sections[value["$ref"].rpartition("/")[2]], sections)
    return {name: _inlined(one, sections) for name, one in value.items()}
