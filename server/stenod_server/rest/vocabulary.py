"""Words to listen for, as clients of other systems send them: a phrase that is too long is left out, not refused."""

from collections.abc import Sequence
from dataclasses import replace

from stenod_server.domain import job_rules
from stenod_server.domain.decoding import VocabularyEntry
from stenod_server.domain.transcript import Warning  # noqa: A004  the word the API uses
from stenod_server.scheduler.abilities import WITHOUT_EFFECT


def read_vocabulary(
    field: str, entries: Sequence[VocabularyEntry]
) -> tuple[tuple[VocabularyEntry, ...], tuple[Warning, ...]]:
    """The entries that are listened for, and a warning of the others and of spellings that are too long.

    Raises InvalidField, LimitExceeded.
    """
    job_rules.check_vocabulary_size(field, len(entries))
    short = {place: entry for place, entry in enumerate(entries) if _is_short(entry.content)}
    kept = tuple(_entry(f"{field}.{place}", entry) for place, entry in short.items())
    left_out = sum(not _is_short(phrase) for entry in entries for phrase in (entry.content, *entry.sounds_like))
    says = f"{field}: phrases of more than {job_rules.MAX_PHRASE_WORDS} words are left out: {left_out}"
    return kept, (Warning(WITHOUT_EFFECT, says),) if left_out else ()


def read_hints(
    field: str, phrases: Sequence[str], *, room: int
) -> tuple[tuple[VocabularyEntry, ...], tuple[Warning, ...]]:
    """At most `room` entries, and a warning of what is left out: nothing is refused. An empty phrase is none."""
    given = [" ".join(words) for phrase in phrases if (words := phrase.split())]
    fitting = [phrase for phrase in given if _is_short(phrase) and len(phrase) <= job_rules.MAX_PHRASE_CHARACTERS]
    kept = tuple(map(VocabularyEntry, fitting[:room]))
    says = (
        f"{field}: phrases of more than {job_rules.MAX_PHRASE_WORDS} words or {job_rules.MAX_PHRASE_CHARACTERS} "
        f"characters, and all after the first {job_rules.MAX_VOCABULARY}, are left out: {len(given) - len(kept)}"
    )
    return kept, (Warning(WITHOUT_EFFECT, says),) if len(kept) < len(given) else ()


def _entry(field: str, entry: VocabularyEntry) -> VocabularyEntry:
    """Without the spellings that are too long."""
    heard = tuple(
        job_rules.phrase(f"{field}.sounds_like.{place}", spelling)
        for place, spelling in enumerate(entry.sounds_like)
        if _is_short(spelling)
    )
    return job_rules.vocabulary_entry(field, replace(entry, sounds_like=heard))


def _is_short(phrase: str) -> bool:
    return len(phrase.split()) <= job_rules.MAX_PHRASE_WORDS
