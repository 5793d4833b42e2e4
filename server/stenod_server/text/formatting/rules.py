"""What of the formatting there is for a language, and what a job may therefore not ask, or should know."""

from collections.abc import Iterator, Mapping
from typing import Final

from stenod_server.domain.formatting import Formatting, ProfanityFilter
from stenod_server.domain.transcript import Warning  # noqa: A004  the word the API uses
from stenod_server.errors import InvalidField
from stenod_server.text.formatting import disfluencies, finders, other_numerals, profanity, spelling

WITHOUT_EFFECT: Final = "FIELD_WITHOUT_EFFECT"
CUT_SHORT: Final = Warning(
    WITHOUT_EFFECT,
    "formatting.replacements: not all were made in every segment, for in one they would have been too much work, or "
    f"have written more than {finders.MOST_WRITTEN_CHARACTERS} characters into it",
)
_AUTO: Final = "auto"
_NUMERALS: Final = other_numerals.LANGUAGES | {"en"}
_ENGLISH_KINDS: Final = other_numerals.KINDS | {"alphanum", "date", "fraction", "money", "percentage", "span", "time"}


def check(asked: Formatting, language: str, names: Mapping[str, str]) -> None:
    """Refuse what no segment of the job could be given. `language` is BCP-47 or `auto`, whose segments may be in any;
    `names`: what the caller calls the fields of a Formatting. Raises InvalidField.
    """
    if asked.output_locale:
        _check_locale(asked.output_locale, language, names["output_locale"])
    for place, one in enumerate(asked.replacements):
        try:
            finders.finder(one)
        except ValueError as error:
            raise InvalidField(f"{names['replacements']}.{place}", f"{one.pattern!r}: {error}") from error


def warnings(asked: Formatting, language: str) -> Iterator[Warning]:
    """What is asked and has no effect on segments in this language."""
    code = primary(language)
    if asked.numerals or asked.entities:
        yield from _of_numerals("numerals" if asked.numerals else "entities", code)
    if asked.remove_disfluencies and code not in disfluencies.HESITATIONS:
        yield _without_effect("remove_disfluencies", code, frozenset(disfluencies.HESITATIONS))
    if asked.profanity_filter is ProfanityFilter.MASK and code not in profanity.LANGUAGES:
        yield _without_effect("profanity_filter", code, profanity.LANGUAGES)
    if asked.output_locale and primary(asked.output_locale) != code:
        yield _without_effect("output_locale", code, frozenset({primary(asked.output_locale)}))


def writes_numerals(asked: Formatting, language: str) -> bool:
    """Whether numbers in this language are written in digits."""
    return (asked.numerals or asked.entities) and primary(language) in _NUMERALS


def primary(language: str) -> str:
    """`de` of `de-CH`; Norwegian is one, however it is written."""
    code = language.lower().partition("-")[0]
    return "no" if code in {"nb", "nn"} else code


def locale_of(asked: Formatting, language: str) -> str:
    """By which dates, times and money are written: that of the output, or the one that the language names."""
    given = asked.output_locale or language
    return next((locale for locales in spelling.LOCALES.values() for locale in locales if _same(locale, given)), "")


def _check_locale(locale: str, language: str, field: str) -> None:
    known = [one for locales in spelling.LOCALES.values() for one in locales]
    if not any(_same(locale, one) for one in known):
        raise InvalidField(field, f"{locale!r} is no spelling that this server has; there are: {', '.join(known)}")
    if language != _AUTO and primary(language) != primary(locale):
        raise InvalidField(field, f"{locale!r} is no spelling of the language {language!r}")


def _same(locale: str, other: str) -> bool:
    return locale.lower() == other.lower()


def _of_numerals(field: str, code: str) -> Iterator[Warning]:
    if code not in _NUMERALS:
        yield _without_effect(field, code, _NUMERALS)
    elif code != "en":
        there_are, missing = sorted(other_numerals.KINDS), sorted(_ENGLISH_KINDS - other_numerals.KINDS)
        says = f"of speech in {code!r} these are written: {', '.join(there_are)}; not these: {', '.join(missing)}"
        yield Warning(WITHOUT_EFFECT, f"formatting.{field}: {says}")


def _without_effect(field: str, code: str, languages: frozenset[str]) -> Warning:
    there_are = ", ".join(sorted(languages))
    return Warning(WITHOUT_EFFECT, f"formatting.{field}: has no effect on speech in {code!r}; there are: {there_are}")
