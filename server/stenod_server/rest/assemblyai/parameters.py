"""The parameters of `/transcribe/url`, each with its outcome: docs/dialects/assemblyai.md."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from stenod_server.domain import job_rules
from stenod_server.domain.diarization import Diarization, DiarizationMode
from stenod_server.domain.diarization_rules import MAX_CHANNEL_LABELS
from stenod_server.domain.formatting import Formatting
from stenod_server.domain.job import JobConfig, Origin
from stenod_server.errors import InvalidField
from stenod_server.rest.services import DialectOptions

DIALECT: Final = "assemblyai"
MAX_MS: Final = 10**12  # thirty years
_CHANNELS: Final = Diarization(
    mode=DiarizationMode.CHANNEL, channel_labels=tuple(str(channel + 1) for channel in range(MAX_CHANNEL_LABELS))
)
_ON_BY_DEFAULT: Final = {"punctuate": "punctuation", "format_text": "casing"}
_NAMES: Final = ("audio_url", "dual_channel", "format_text", "punctuate", "audio_start_from", "audio_end_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What a call asks for. `format_text`: numbers in digits, and capitals. Times are of the recording."""

    audio_url: str
    dual_channel: bool
    format_text: bool
    punctuate: bool
    start_s: float
    end_s: float
    asked: tuple[str, ...]
    as_json: str

    def config(self, options: DialectOptions, *, request_id: str) -> JobConfig:
        return JobConfig(
            start_s=self.start_s,
            end_s=self.end_s,
            formatting=Formatting(
                punctuation=self.punctuate and options.assemblyai_punctuation,
                numerals=self.format_text,
                casing=self.format_text,
                asked=self.asked,
            ),
            diarization=_CHANNELS if self.dual_channel else Diarization(),
            warnings=options.assemblyai_warnings,
            origin=Origin(DIALECT, request_id, self.as_json),
        )


def read_parameters(body: Mapping[str, Any]) -> Parameters:
    """Null is as good as nothing: clients of typed languages write it for what they leave out.

    Raises InvalidField.
    """
    if unknown := sorted(set(body) - set(_NAMES)):
        raise InvalidField("body", f"{', '.join(map(repr, unknown))}: no such parameter; there are {', '.join(_NAMES)}")
    given = {name: value for name, value in body.items() if value is not None}
    start_ms, end_ms = _ms(given, "audio_start_from") or 0, _ms(given, "audio_end_at")
    start_s, end_s = job_rules.trim(
        "audio_start_from", "audio_end_at", start_ms / 1000, None if end_ms is None else end_ms / 1000
    )
    return Parameters(
        audio_url=_address(given),
        dual_channel=_flag(given, "dual_channel", default=False),
        format_text=_flag(given, "format_text", default=True),
        punctuate=_flag(given, "punctuate", default=True),
        start_s=start_s,
        end_s=end_s,
        asked=tuple(field for name, field in _ON_BY_DEFAULT.items() if given.get(name)),
        as_json=json.dumps(body),
    )


def _address(given: Mapping[str, Any]) -> str:
    address = given.get("audio_url", "")
    if not isinstance(address, str):
        raise InvalidField("audio_url", "must be a text")
    if not address:
        raise InvalidField("audio_url", "is missing")
    return address


def _flag(given: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise InvalidField(name, "must be true or false")
    return value


def _ms(given: Mapping[str, Any], name: str) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_MS:
        raise InvalidField(name, "must be a whole number of milliseconds, at least 0")
    return value
