"""What a job's configuration may say, whichever dialect it is written in. `field` is the name its caller knows."""

import re
from collections.abc import Sequence
from math import isfinite
from typing import Final

from stenod_server.domain.decoding import VocabularyEntry
from stenod_server.domain.diarization import UNKNOWN_SPEAKER, KnownSpeaker
from stenod_server.domain.job import LowConfidenceAction
from stenod_server.errors import InvalidField, LimitExceeded

MAX_LABEL_CHARACTERS: Final = 255
MAX_TAGS: Final = 32
MAX_TAG_CHARACTERS: Final = 64
MAX_USER_ID_CHARACTERS: Final = 128
MAX_DETAILS_BYTES: Final = 16 * 1024
MAX_LANGUAGE_CHARACTERS: Final = 35
MAX_EXPECTED_LANGUAGES: Final = 20
MAX_VOCABULARY: Final = 1000
MAX_PHRASE_WORDS: Final = 6
MAX_PHRASE_CHARACTERS: Final = 128
MAX_SOUNDS_LIKE: Final = 20
MAX_BOOST: Final = 20.0
MAX_PROMPT_CHARACTERS: Final = 4096  # some thousand tokens; no recogniser takes more than a few hundred
MAX_KNOWN_IDENTIFIERS: Final = 50
MAX_KNOWN_LABEL_CHARACTERS: Final = 64
MAX_IDENTIFIER_CHARACTERS: Final = 2048  # ours have some hundred
# A BCP-47 code, by its form; `auto` has it too, and so has none.
LANGUAGE_PATTERN: Final = "^([A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*)?$"


def is_language(code: str) -> bool:
    """By its form, which `auto` has too, and so has none."""
    return len(code) <= MAX_LANGUAGE_CHARACTERS and re.fullmatch(LANGUAGE_PATTERN, code) is not None


def language(field: str, code: str) -> str:
    """`auto` for none given. Raises InvalidField for what is no BCP-47 code."""
    if not is_language(code):
        raise InvalidField(field, f"{code!r} is neither a BCP-47 code like 'en' or 'pt-BR' nor 'auto'")
    return code or "auto"


def trim(start_field: str, end_field: str, start_s: float, end_s: float | None) -> tuple[float, float]:
    """(start, end) in seconds; end 0: that of the file. Raises InvalidField."""
    for field, value in ((start_field, start_s), (end_field, end_s or 0.0)):
        if not 0 <= value < float("inf"):
            raise InvalidField(field, f"must be at least 0, got {value:g} s")
    if end_s is None:
        return start_s, 0.0
    if end_s <= start_s:
        start = start_field.rpartition(".")[2]
        raise InvalidField(end_field, f"must be after {start} ({start_s:g} s), got {end_s:g} s")
    return start_s, end_s


def engines(field: str, count: int) -> int:
    if count < 1:
        raise InvalidField(field, f"must be at least 1, got {count}")
    return count


def within(field: str, value: float, most: float) -> float:
    """Raises InvalidField for what is not from 0 to `most`."""
    if not 0 <= value <= most:
        raise InvalidField(field, f"must be from 0 to {most:g}, got {value:g}")
    return value


def label(field: str, text: str, allowed: int = MAX_LABEL_CHARACTERS) -> str:
    if len(text) > allowed:
        raise LimitExceeded(field, limit="characters of this field", allowed=allowed, actual=len(text))
    return text


def user_id(field: str, text: str) -> str:
    return label(field, text, MAX_USER_ID_CHARACTERS)


def tags(field: str, given: Sequence[str]) -> tuple[str, ...]:
    if len(given) > MAX_TAGS:
        raise LimitExceeded(field, limit="tags of a job", allowed=MAX_TAGS, actual=len(given))
    return tuple(label(field, tag, MAX_TAG_CHARACTERS) for tag in given)


def details(field: str, as_json: str) -> str:
    if (size_bytes := len(as_json.encode())) > MAX_DETAILS_BYTES:
        raise LimitExceeded(field, limit="bytes of details", allowed=MAX_DETAILS_BYTES, actual=size_bytes)
    return as_json


def expected_languages(field: str, spoken: str, codes: Sequence[str]) -> tuple[str, ...]:
    """`spoken` is the job's language, as its caller wrote it. Raises InvalidField, LimitExceeded."""
    if codes and spoken not in {"", "auto"}:
        raise InvalidField(field, f"goes with language auto alone, not with {spoken!r}")
    if len(codes) > MAX_EXPECTED_LANGUAGES:
        raise LimitExceeded(field, limit="languages of a job", allowed=MAX_EXPECTED_LANGUAGES, actual=len(codes))
    if "" in codes or "auto" in codes:
        raise InvalidField(field, "must be BCP-47 codes like 'en' or 'pt-BR'")
    return tuple(language(field, code) for code in codes)


def low_confidence(
    action_field: str, default_field: str, spoken: str, action: LowConfidenceAction, default: str
) -> tuple[LowConfidenceAction, str]:
    """`spoken` is the job's language, as its caller wrote it. Raises InvalidField."""
    is_for_default = action is LowConfidenceAction.USE_DEFAULT_LANGUAGE
    if action is not LowConfidenceAction.ALLOW and spoken not in {"", "auto"}:
        raise InvalidField(action_field, f"goes with language auto alone, not with {spoken!r}")
    if default and not is_for_default:
        name = action_field.rpartition(".")[2]
        raise InvalidField(default_field, f"goes with {name} {LowConfidenceAction.USE_DEFAULT_LANGUAGE} alone")
    if is_for_default and default in {"", "auto"}:
        raise InvalidField(default_field, f"must be a BCP-47 code like 'en' or 'pt-BR', got {default!r}")
    return action, language(default_field, default) if default else ""


def vocabulary(field: str, entries: Sequence[VocabularyEntry]) -> tuple[VocabularyEntry, ...]:
    """The entries with their blanks in order; an error names the place of one. Raises InvalidField, LimitExceeded."""
    check_vocabulary_size(field, len(entries))
    return tuple(vocabulary_entry(f"{field}.{place}", entry) for place, entry in enumerate(entries))


def check_vocabulary_size(field: str, count: int) -> None:
    if count > MAX_VOCABULARY:
        raise LimitExceeded(field, limit="entries of a vocabulary", allowed=MAX_VOCABULARY, actual=count)


def vocabulary_entry(field: str, entry: VocabularyEntry) -> VocabularyEntry:
    spellings = entry.sounds_like
    if len(spellings) > MAX_SOUNDS_LIKE:
        limit = "spellings of an entry"
        raise LimitExceeded(f"{field}.sounds_like", limit=limit, allowed=MAX_SOUNDS_LIKE, actual=len(spellings))
    if not isfinite(entry.boost) or not 0 < entry.boost <= MAX_BOOST:
        raise InvalidField(f"{field}.boost", f"must be above 0 and at most {MAX_BOOST:g}, got {entry.boost:g}")
    heard = (phrase(f"{field}.sounds_like.{place}", spelling) for place, spelling in enumerate(spellings))
    return VocabularyEntry(phrase(f"{field}.content", entry.content), tuple(heard), entry.boost)


def beam_size(field: str, size: int) -> int:
    if size < 1:
        raise InvalidField(field, f"must be at least 1, got {size}")
    return size


def prompt(field: str, text: str) -> str:
    return label(field, text.strip(), MAX_PROMPT_CHARACTERS)


def phrase(field: str, text: str) -> str:
    """With its blanks in order. Raises InvalidField, LimitExceeded."""
    words = text.split()
    if not words:
        raise InvalidField(field, "is empty")
    if len(words) > MAX_PHRASE_WORDS:
        raise LimitExceeded(field, limit="words of a phrase", allowed=MAX_PHRASE_WORDS, actual=len(words))
    return label(field, " ".join(words), MAX_PHRASE_CHARACTERS)


def known_speakers(
    field: str, speakers: Sequence[KnownSpeaker], *, identifiers_name: str = "identifiers"
) -> tuple[KnownSpeaker, ...]:
    """An error names the place of one; no message repeats an identifier. Raises InvalidField, LimitExceeded."""
    count = sum(len(speaker.identifiers) for speaker in speakers)
    if count > MAX_KNOWN_IDENTIFIERS:
        limit = "speaker identifiers of a job"
        raise LimitExceeded(field, limit=limit, allowed=MAX_KNOWN_IDENTIFIERS, actual=count)
    labels = set()
    for place, speaker in enumerate(speakers):
        _check_known_label(f"{field}.{place}.label", speaker.label)
        _check_identifiers(f"{field}.{place}.{identifiers_name}", speaker.identifiers)
        if speaker.label in labels:
            raise InvalidField(f"{field}.{place}.label", f"{speaker.label!r} is the label of another one too")
        labels.add(speaker.label)
    return tuple(speakers)


def _check_known_label(field: str, text: str) -> None:
    label(field, text, MAX_KNOWN_LABEL_CHARACTERS)
    if not text or text != text.strip() or not text.isprintable():
        raise InvalidField(field, "must be printable, not empty, and without blanks at its ends")
    if text == UNKNOWN_SPEAKER or re.fullmatch("S[0-9]+", text):
        raise InvalidField(field, f"{text!r} is what speakers are called who are not known")


def _check_identifiers(field: str, identifiers: Sequence[str]) -> None:
    if not identifiers:
        raise InvalidField(field, "is empty")
    for place, identifier in enumerate(identifiers):
        label(f"{field}.{place}", identifier, MAX_IDENTIFIER_CHARACTERS)
