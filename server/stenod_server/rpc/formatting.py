"""What a job asks of how its text is written: the API's words ↔ the domain's."""

from typing import Final

from stenod.v1 import job_pb2
from stenod_server.domain import formatting_rules
from stenod_server.domain.formatting import DEFAULT_SENSITIVITY, Formatting, ProfanityFilter, Replacement
from stenod_server.domain.formatting_rules import FIELDS
from stenod_server.errors import InvalidField
from stenod_server.rpc.decimals import as_decimal

PROFANITY_FILTERS: Final = {
    job_pb2.PROFANITY_FILTER_UNSPECIFIED: ProfanityFilter.KEEP,
    job_pb2.PROFANITY_FILTER_KEEP: ProfanityFilter.KEEP,
    job_pb2.PROFANITY_FILTER_MASK: ProfanityFilter.MASK,
}
NUMBERS: Final = {action: number for number, action in PROFANITY_FILTERS.items()}


def from_proto(message: job_pb2.FormattingConfig) -> Formatting:
    """Raises InvalidField, LimitExceeded."""
    if message.profanity_filter not in PROFANITY_FILTERS:
        raise InvalidField(FIELDS["profanity_filter"], f"{message.profanity_filter} is none that this server knows")
    asked = Formatting(
        punctuation=message.punctuation if message.HasField("punctuation") else True,
        permitted_marks=tuple(message.permitted_marks),
        punctuation_sensitivity=(
            as_decimal(message.punctuation_sensitivity)
            if message.HasField("punctuation_sensitivity")
            else DEFAULT_SENSITIVITY
        ),
        numerals=message.numerals,
        entities=message.entities,
        casing=message.casing if message.HasField("casing") else True,
        remove_disfluencies=message.remove_disfluencies,
        profanity_filter=PROFANITY_FILTERS[message.profanity_filter],
        output_locale=message.output_locale,
        volume_threshold=as_decimal(message.volume_threshold),
        replacements=tuple(Replacement(one.pattern, one.replacement) for one in message.replacements),
        asked=tuple(name for name in ("punctuation", "casing") if message.HasField(name) and getattr(message, name)),
    )
    return formatting_rules.check(asked, FIELDS)


def to_proto(asked: Formatting) -> job_pb2.FormattingConfig:
    """What is as ever is left out."""
    sensitivity = asked.punctuation_sensitivity
    return job_pb2.FormattingConfig(
        punctuation=asked.punctuation,
        permitted_marks=asked.permitted_marks,
        punctuation_sensitivity=sensitivity if sensitivity != DEFAULT_SENSITIVITY else None,
        numerals=asked.numerals or None,
        entities=asked.entities,
        casing=asked.casing if "casing" in asked.asked or not asked.casing else None,
        remove_disfluencies=asked.remove_disfluencies or None,
        profanity_filter=NUMBERS[asked.profanity_filter],
        output_locale=asked.output_locale,
        volume_threshold=asked.volume_threshold or None,
        replacements=[
            job_pb2.Replacement(pattern=one.pattern, replacement=one.replacement) for one in asked.replacements
        ],
    )
