"""Every option of who said what and how it is written: what it asks of a job, and how each API says it."""

from dataclasses import dataclass
from typing import Any, Final

from stenod_server.domain.diarization import Diarization, DiarizationMode, KnownSpeaker
from stenod_server.domain.formatting import Formatting, ProfanityFilter, Replacement
from stenod_server.domain.job import JobConfig
from stenod_server.domain.rendering import SubtitleShape


@dataclass(frozen=True)
class Case:
    """One option. How it is said to each API; None: it has none, or none that is built."""

    name: str
    asked: JobConfig
    proto: dict[str, Any]
    keywords: dict[str, Any]
    command: list[str] | None = None
    speechmatics: dict[str, Any] | None = None
    openai: dict[str, str] | None = None
    assemblyai: dict[str, bool] | None = None


def written(**formatting: Any) -> JobConfig:
    return JobConfig(formatting=Formatting(**formatting))


def told(mode: DiarizationMode = DiarizationMode.SPEAKER, **diarization: Any) -> JobConfig:
    return JobConfig(diarization=Diarization(mode=mode, **diarization))


def of_speakers(**options: Any) -> dict[str, Any]:
    return {"diarization": {"mode": "DIARIZATION_MODE_SPEAKER", **options}}


def of_speechmatics(**options: Any) -> dict[str, Any]:
    return {"diarization": "speaker", "speaker_diarization_config": options}


SPEAKER: Final = ["--diarization", "speaker"]
CHANNEL: Final = DiarizationMode.CHANNEL
CASES: Final = [
    Case("nothing", JobConfig(), {}, {}, [], {}, {}, {}),
    Case(
        "punctuation off",
        written(punctuation=False),
        {"formatting": {"punctuation": False}},
        {"punctuation": False},
        ["--no-punctuation"],
        {"punctuation_overrides": {"permitted_marks": []}},
        assemblyai={"punctuate": False},
    ),
    Case(
        "permitted marks",
        written(permitted_marks=(".", "?")),
        {"formatting": {"permitted_marks": [".", "?"]}},
        {"permitted_marks": [".", "?"]},
        ["--permitted-mark", ".", "--permitted-mark", "?"],
        {"punctuation_overrides": {"permitted_marks": [".", "?"]}},
    ),
    Case(
        "fewer marks",
        written(punctuation_sensitivity=0.2),
        {"formatting": {"punctuation_sensitivity": 0.2}},
        {"punctuation_sensitivity": 0.2},
        ["--punctuation-sensitivity", "0.2"],
        {"punctuation_overrides": {"sensitivity": 0.2}},
    ),
    Case(
        "all marks",
        JobConfig(),
        {},
        {},
        speechmatics={"punctuation_overrides": {"permitted_marks": ["all"], "sensitivity": 0.5}},
    ),
    Case("numerals", written(numerals=True), {"formatting": {"numerals": True}}, {"numerals": True}, ["--numerals"]),
    Case(
        "entities",
        written(entities=True),
        {"formatting": {"entities": True}},
        {"entities": True},
        ["--entities"],
        {"enable_entities": True},
    ),
    Case(
        "no capitals",
        written(casing=False),
        {"formatting": {"casing": False}},
        {"casing": False},
        ["--no-casing"],
        assemblyai={"format_text": False},
    ),
    Case(
        "disfluencies",
        written(remove_disfluencies=True),
        {"formatting": {"remove_disfluencies": True}},
        {"remove_disfluencies": True},
        ["--remove-disfluencies"],
        {"transcript_filtering_config": {"remove_disfluencies": True}},
    ),
    Case(
        "profanity",
        written(profanity_filter=ProfanityFilter.MASK),
        {"formatting": {"profanity_filter": "PROFANITY_FILTER_MASK"}},
        {"profanity_filter": "mask"},
        ["--profanity", "mask"],
    ),
    Case(
        "locale",
        written(output_locale="en-GB"),
        {"formatting": {"output_locale": "en-GB"}},
        {"output_locale": "en-GB"},
        ["--locale", "en-GB"],
        {"output_locale": "en-GB"},
    ),
    Case(
        "volume",
        written(volume_threshold=3.4),
        {"formatting": {"volume_threshold": 3.4}},
        {"volume_threshold": 3.4},
        ["--volume-threshold", "3.4"],
        {"audio_filtering_config": {"volume_threshold": 3.4}},
    ),
    Case(
        "replacements",
        written(replacements=(Replacement("steno d", "stenod"), Replacement("/gr[ae]y/", ""))),
        {
            "formatting": {
                "replacements": [{"pattern": "steno d", "replacement": "stenod"}, {"pattern": "/gr[ae]y/"}],
            }
        },
        {"replacements": {"steno d": "stenod", "/gr[ae]y/": ""}},
        ["--replace", "steno d=stenod", "--replace", "/gr[ae]y/="],
        {
            "transcript_filtering_config": {
                "replacements": [{"from": "steno d", "to": "stenod"}, {"from": "/gr[ae]y/", "to": ""}],
            }
        },
    ),
    Case(
        "channels",
        told(CHANNEL, channel_labels=("agent", "caller")),
        {"diarization": {"mode": "DIARIZATION_MODE_CHANNEL", "channel_labels": ["agent", "caller"]}},
        {"diarization": "channel", "channel_labels": ["agent", "caller"]},
        ["--diarization", "channel", "--channel-label", "agent", "--channel-label", "caller"],
        {"diarization": "channel", "channel_diarization_labels": ["agent", "caller"]},
    ),
    Case(
        "channels with numbers",
        told(CHANNEL, channel_labels=tuple(str(channel) for channel in range(1, 33))),
        {"diarization": {"mode": "DIARIZATION_MODE_CHANNEL", "channel_labels": [str(n) for n in range(1, 33)]}},
        {"diarization": "channel", "channel_labels": [str(n) for n in range(1, 33)]},
        assemblyai={"dual_channel": True},
    ),
    Case(
        "speakers",
        told(),
        of_speakers(),
        {"diarization": "speaker"},
        SPEAKER,
        {"diarization": "speaker"},
        {"response_format": "diarized_json"},
    ),
    Case(
        "sensitivity",
        told(sensitivity=0.7),
        of_speakers(speaker_sensitivity=0.7),
        {"diarization": "speaker", "speaker_sensitivity": 0.7},
        [*SPEAKER, "--speaker-sensitivity", "0.7"],
        of_speechmatics(speaker_sensitivity=0.7),
    ),
    Case(
        "most speakers",
        told(max_speakers=3),
        of_speakers(max_speakers=3),
        {"diarization": "speaker", "max_speakers": 3},
        [*SPEAKER, "--max-speakers", "3"],
        of_speechmatics(max_speakers=3),
    ),
    Case(
        "so many speakers",
        told(min_speakers=2, max_speakers=2),
        of_speakers(min_speakers=2, max_speakers=2),
        {"diarization": "speaker", "min_speakers": 2, "max_speakers": 2},
        [*SPEAKER, "--speakers", "2"],
    ),
    Case(
        "the current speaker",
        told(prefer_current_speaker=True),
        of_speakers(prefer_current_speaker=True),
        {"diarization": "speaker", "prefer_current_speaker": True},
        [*SPEAKER, "--prefer-current-speaker"],
        of_speechmatics(prefer_current_speaker=True),
    ),
    Case(
        "identifiers",
        told(return_identifiers=True),
        of_speakers(return_speaker_identifiers=True),
        {"diarization": "speaker", "return_speaker_identifiers": True},
        [*SPEAKER, "--return-speaker-identifiers"],
        of_speechmatics(get_speakers=True),
    ),
    Case(
        "known speakers",
        told(known_speakers=(KnownSpeaker("Ann", ("one", "two")),)),
        of_speakers(known_speakers=[{"label": "Ann", "identifiers": ["one", "two"]}]),
        {"diarization": "speaker", "known_speakers": {"Ann": ["one", "two"]}},
        speechmatics=of_speechmatics(speakers=[{"label": "Ann", "speaker_identifiers": ["one", "two"]}]),
    ),
    Case(
        "subtitles",
        JobConfig(
            subtitles=SubtitleShape(
                max_line_length=42, max_lines=1, max_characters_per_s=15, min_gap_ms=500, speaker_names=False
            )
        ),
        {
            "rendering": {
                "subtitles": {
                    "max_line_length": 42,
                    "max_lines": 1,
                    "max_characters_per_second": 15,
                    "min_gap": "0.5s",
                    "speaker_names": False,
                },
            }
        },
        {
            "subtitles": {
                "max_line_length": 42,
                "max_lines": 1,
                "max_characters_per_second": 15,
                "min_gap_s": 0.5,
                "speaker_names": False,
            }
        },
        [
            *("--max-line-length", "42", "--max-lines", "1", "--max-characters-per-second", "15", "--min-gap", "0.5"),
            "--no-speaker-names",
        ],
    ),
]
