"""Words to listen for, as clients of other systems send them: a phrase that is too long is left out, not refused."""

from collections.abc import Sequence

from stenod_server.domain import job_rules
from stenod_server.domain.decoding import VocabularyEntry
from stenod_server.domain.transcript import Warning  # noqa: A004  the word the API uses
from stenod_server.scheduler.abilities import WITHOUT_EFFECT


def read_vocabulary(
    field: str, entries: Sequence[VocabularyEntry]
) -> tuple[tuple[VocabularyEntry, ...], tuple[Warning, ...]]:
    """The entries that are listened for, and a warning of the others. Raises InvalidField, LimitExceeded."""
    job_rules.check_vocabulary_size(field, len(entries))
    short = {place: entry for place, entry in enumerate(entries) if _is_short(entry)}
    kept = tuple(job_rules.vocabulary_entry(f"{field}.{place}", entry) for place, entry in short.items())
    left_out = len(entries) - len(kept)
    says = f"{field}: phrases of more than {job_rules.MAX_PHRASE_WORDS} words are left out: {left_out}"
    return kept, (Warning(WITHOUT_EFFECT, says),) if left_out else ()


def _is_short(entry: VocabularyEntry) -> bool:
    return len(entry.content.split()) <= job_rules.MAX_PHRASE_WORDS
