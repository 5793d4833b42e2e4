"""The keywords that say how the text is written."""

from collections.abc import Mapping
from typing import Final

from stenod._choice import chosen
from stenod.v1 import job_pb2

_FLAGS: Final = frozenset({"punctuation", "numerals", "entities", "casing", "remove_disfluencies"})
_PROFANITY_FILTERS: Final = {
    "keep": job_pb2.PROFANITY_FILTER_KEEP,
    "mask": job_pb2.PROFANITY_FILTER_MASK,
}


def apply_text(config: job_pb2.JobConfig, name: str, value: object) -> bool:
    """Whether it is one of these keywords, with a value of its kind. Raises InvalidRequest."""
    formatting = config.formatting
    match name, value:
        case _, bool() if name in _FLAGS:
            setattr(formatting, name, value)
        case ("output_locale", str()) | (("punctuation_sensitivity" | "volume_threshold"), (int() | float())):
            setattr(formatting, name, value)
        case "permitted_marks", [*marks]:
            formatting.permitted_marks[:] = map(str, marks)
        case "profanity_filter", str():
            formatting.profanity_filter = chosen(name, value, _PROFANITY_FILTERS)
        case "replacements", Mapping():
            formatting.ClearField("replacements")
            formatting.replacements.extend(
                job_pb2.Replacement(pattern=before, replacement=after) for before, after in value.items()
            )
        case _:
            return False
    return True
