"""What a recogniser can do of what a job asks for."""

from collections.abc import Mapping
from typing import Final

from stenod_server.domain.decoding import Decoding, Option
from stenod_server.domain.formatting import Formatting
from stenod_server.domain.transcript import Warning  # noqa: A004  the word the API uses
from stenod_server.errors import OptionNotServed
from stenod_server.ports import ModelProfile

WITHOUT_EFFECT: Final = "FIELD_WITHOUT_EFFECT"
# The fields as the gRPC API names them; a dialect puts its own in their place.
FIELDS: Final[Mapping[Option, str]] = {
    Option.TASK: "config.task",
    Option.VOCABULARY: "config.additional_vocabulary",
    Option.BEAM_SIZE: "config.decoding.beam_size",
    Option.PROMPT: "config.decoding.prompt",
    Option.MARK_BIAS: "config.formatting.punctuation_sensitivity",
}


def serves(profile: ModelProfile, decoding: Decoding) -> bool:
    """Whether the recogniser can do all that must be honoured."""
    return not _beyond(profile, decoding.asked)


def check(profile: ModelProfile, decoding: Decoding, profiles: Mapping[str, ModelProfile]) -> None:
    """Raises OptionNotServed, which names the models of `profiles` that can."""
    beyond = _beyond(profile, decoding.asked)
    if beyond:
        able = sorted(name for name, other in profiles.items() if beyond[0] not in _beyond(other, decoding))
        raise OptionNotServed(FIELDS[beyond[0]], _says(profile, beyond[0]), able)


def honoured(profile: ModelProfile, decoding: Decoding) -> Decoding:
    """All of it that the recogniser can do."""
    return decoding.without(*_beyond(profile, decoding))


def warnings(profile: ModelProfile, decoding: Decoding) -> tuple[Warning, ...]:
    """Of the hints that the recogniser cannot follow."""
    beyond = _beyond(profile, decoding)
    return tuple(
        Warning(WITHOUT_EFFECT, f"{hint.field}: {_says(profile, hint.option)}")
        for hint in decoding.hints
        if hint.option in beyond
    )


def warnings_of_text(profile: ModelProfile, formatting: Formatting) -> tuple[Warning, ...]:
    """Of marks and capitals that are asked for by name and that the recogniser does not write."""
    of_marks = "punctuation" if "punctuation" in formatting.asked else "permitted_marks"
    wants_marks = formatting.punctuation and (of_marks == "punctuation" or bool(formatting.permitted_marks))
    wants_capitals = formatting.casing and "casing" in formatting.asked
    told = []
    if wants_marks and not profile.writes_marks:
        told.append(f"formatting.{of_marks}: {profile.model} writes no marks of punctuation")
    if wants_capitals and not profile.writes_capitals:
        told.append(f"formatting.casing: {profile.model} writes no capitals")
    return tuple(Warning(WITHOUT_EFFECT, says) for says in told)


def _beyond(profile: ModelProfile, decoding: Decoding) -> list[Option]:
    """What is asked for and cannot be had."""
    can = {
        Option.TASK: decoding.task in profile.tasks,
        Option.VOCABULARY: profile.takes_hotwords or not decoding.vocabulary,
        Option.BEAM_SIZE: decoding.beam_size <= profile.max_beam_size,
        Option.PROMPT: profile.takes_prompt or not decoding.prompt,
        Option.MARK_BIAS: profile.takes_mark_bias or not decoding.mark_bias,
    }
    return [option for option in Option if not can[option]]


def _says(profile: ModelProfile, option: Option) -> str:
    match option:
        case Option.TASK:
            return f"{profile.model} does nothing but {' and '.join(profile.tasks)}"
        case Option.VOCABULARY:
            return f"{profile.model} cannot listen for given words"
        case Option.BEAM_SIZE:
            return f"{profile.model} searches with at most {profile.max_beam_size}"
        case Option.PROMPT:
            return f"{profile.model} takes none"
        case Option.MARK_BIAS:
            return f"{profile.model} sets its marks as it does"
