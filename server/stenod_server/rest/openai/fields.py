"""What becomes of each field of the form, in one table: nothing is ignored. docs/dialects/openai.md shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from stenod_server.errors import InvalidField, UnsupportedFeature
from stenod_server.rest.received import ReceivedForm

MEDIA: Final = "file"


class Outcome(StrEnum):
    """What a field does."""

    DONE = "done"  # all that may be said in it has its effect
    WISH = "done where the model can"  # else it is a hint
    HINT = "accepted without effect"  # clients send it as a matter of course; the job carries a warning
    REFUSED = "refused"  # 400, naming it


@dataclass(frozen=True, slots=True)
class Field:
    """`is_list`: may be repeated, and is known with brackets behind its name and without. `harmless` values of a hint
    say what happens anyway, so that there is nothing to warn of.
    """

    name: str
    outcome: Outcome
    says: str
    is_list: bool = False
    harmless: frozenset[str] = frozenset({""})

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, f"{self.name}[]") if self.is_list else (self.name,)


_FALSE: Final = frozenset({"", "false", "False", "0"})
_TRUE: Final = frozenset({"", "true", "True", "1"})

LANGUAGES: Final = Field(
    "languages",
    Outcome.WISH,
    "The language is found out among these, by one who speaks one of them. Without effect, with the warning: what is "
    "no BCP-47 code, what comes after 20 codes, all beside a `language`, all where nobody takes the job so.",
    is_list=True,
)

FIELDS: Final[Sequence[Field]] = (
    Field(MEDIA, Outcome.DONE, "The recording, in any container and codec that FFmpeg reads."),
    Field("model", Outcome.DONE, "A loaded recogniser, or a name of `model_aliases`; 404 for what nothing stands for."),
    Field("language", Outcome.DONE, "BCP-47, as `en` or `pt-BR`; found out where it is not given."),
    Field(
        "response_format",
        Outcome.DONE,
        "`json`, `text`, `srt`, `vtt`, `verbose_json`; `diarized_json`, of transcriptions alone, tells speakers apart, "
        "whatever the model is called.",
    ),
    Field(
        "timestamp_granularities",
        Outcome.DONE,
        "`segment`, `word` or both; what `verbose_json` has in it. 400 with another format, which has no place for it.",
        is_list=True,
    ),
    Field(
        "stream",
        Outcome.DONE,
        "Server-sent events: with `json` or `text` while the job runs, with `diarized_json` when it has ended; 400 "
        "with others.",
    ),
    Field(
        "prompt",
        Outcome.WISH,
        "A text that might have been said before, for its names and style; its last 4096 characters count.",
    ),
    Field(
        "temperature",
        Outcome.HINT,
        "Decoding is greedy, as with `0`; 400 outside 0 to 1.",
        harmless=frozenset({"", "0", "0.0"}),
    ),
    LANGUAGES,
    Field(
        "keywords",
        Outcome.WISH,
        "Words and phrases to listen for. Those of more than six words or 128 characters, and all after the first 1000 "
        "(`hotwords` come last), are left out, with the warning.",
        is_list=True,
    ),
    Field("hotwords", Outcome.WISH, "As `keywords`, in one text with commas (of speaches)."),
    Field(
        "chunking_strategy",
        Outcome.HINT,
        "Recordings are cut at pauses, as with `auto`; `server_vad` is accepted, its numbers have no effect.",
        harmless=frozenset({"", "auto"}),
    ),
    Field("chunking_strategy[type]", Outcome.HINT, "As `chunking_strategy`.", harmless=frozenset({"", "auto"})),
    Field("chunking_strategy[threshold]", Outcome.HINT, "As `chunking_strategy`."),
    Field("chunking_strategy[prefix_padding_ms]", Outcome.HINT, "As `chunking_strategy`."),
    Field("chunking_strategy[silence_duration_ms]", Outcome.HINT, "As `chunking_strategy`."),
    Field(
        "vad_filter",
        Outcome.HINT,
        "Only speech is recognised, as with `true` (of speaches); that cannot be turned off.",
        harmless=_TRUE,
    ),
    Field(
        "without_timestamps",
        Outcome.HINT,
        "Times are always known, as with `false` (of speaches).",
        harmless=_FALSE,
    ),
    Field(
        "include",
        Outcome.REFUSED,
        "`logprobs`: probabilities are kept of words, not of tokens.",
        is_list=True,
    ),
    Field(
        "known_speaker_names",
        Outcome.DONE,
        "At most four, of whom `known_speaker_references` are; with `diarized_json` alone, where segments carry them.",
        is_list=True,
    ),
    Field(
        "known_speaker_references",
        Outcome.DONE,
        "A data URL in base64 for each name: 2 to 10 s of that person speaking alone; 4 MiB of text in all.",
        is_list=True,
    ),
)
_BY_NAME: Final = {name: field for field in FIELDS for name in field.names}


def check_known(form: ReceivedForm) -> None:
    """Raises InvalidField for a field that is in no row, UnsupportedFeature for one that is refused."""
    for name, _ in form.fields:
        field = _BY_NAME.get(name)
        if field is None:
            raise InvalidField(name, "is no field of this call")
        if field.outcome is Outcome.REFUSED:
            raise UnsupportedFeature(name, field.says)


def hints(form: ReceivedForm) -> list[Field]:
    """The fields given that would change something and do not."""
    given = {name: value for name, value in form.fields if value not in _BY_NAME[name].harmless}
    return [field for field in FIELDS if field.outcome is Outcome.HINT and given.keys() & set(field.names)]
