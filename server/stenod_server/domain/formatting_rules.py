"""What a job may ask of how its text is written, whichever dialect it is written in."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Final

from stenod_server.domain import job_rules
from stenod_server.domain.formatting import MARKS, Formatting, Replacement
from stenod_server.errors import InvalidField, LimitExceeded

MAX_VOLUME: Final = 100
MAX_REPLACEMENTS: Final = 1000
MAX_EXPRESSIONS: Final = 100  # each takes milliseconds to compile, and up to 256 KiB while the job runs
MAX_REPLACEMENT_CHARACTERS: Final = 256
# What the gRPC API calls the fields; what knows no dialect says these, and a dialect puts its own in their place.
FIELDS: Final[Mapping[str, str]] = {field.name: f"config.formatting.{field.name}" for field in fields(Formatting)}
_NOTHING: Final = Formatting()
_OF_PUNCTUATION: Final = ("permitted_marks", "punctuation_sensitivity")


def check(asked: Formatting, names: Mapping[str, str]) -> Formatting:
    """`names`: what the caller calls the fields of a Formatting. What only a language can say is not
    checked here. Raises InvalidField, LimitExceeded.
    """
    for field in _OF_PUNCTUATION:
        if not asked.punctuation and getattr(asked, field) != getattr(_NOTHING, field):
            raise InvalidField(names[field], "goes with punctuation alone, and there shall be none")
    job_rules.within(names["punctuation_sensitivity"], asked.punctuation_sensitivity, 1)
    job_rules.within(names["volume_threshold"], asked.volume_threshold, MAX_VOLUME)
    for place, mark in enumerate(asked.permitted_marks):
        if len(mark) != 1 or mark not in MARKS:
            raise InvalidField(f"{names['permitted_marks']}.{place}", f"{mark!r} is no mark; there are {MARKS}")
    if asked.output_locale and not job_rules.is_language(asked.output_locale):
        raise InvalidField(names["output_locale"], f"{asked.output_locale!r} is no BCP-47 code like 'en-GB'")
    if asked.replacements:
        _check_replacements(names["replacements"], asked.replacements)
    return asked


def _check_replacements(field: str, given: Sequence[Replacement]) -> None:
    if len(given) > MAX_REPLACEMENTS:
        raise LimitExceeded(field, limit="replacements of a job", allowed=MAX_REPLACEMENTS, actual=len(given))
    expressions = sum(bool(one.expression) for one in given)
    if expressions > MAX_EXPRESSIONS:
        limit = "regular expressions of a job"
        raise LimitExceeded(field, limit=limit, allowed=MAX_EXPRESSIONS, actual=expressions)
    for place, one in enumerate(given):
        if not one.pattern.strip():
            raise InvalidField(f"{field}.{place}", "has no text to be replaced")
        for text in (one.pattern, one.replacement):
            job_rules.label(f"{field}.{place}", text, MAX_REPLACEMENT_CHARACTERS)
