"""Sounds of hesitation. Words that mean something are none: `like`, `you know`, nor the answers `uh-huh` and `mhm`.

The English ones are those that Speechmatics documents as disfluencies, without its answers and exclamations
(docs.speechmatics.com, "Formatting"). They are one language's: `um` is a word in German, `eh` in Spanish.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from stenod_server.domain.transcript import Word, WordTag
from stenod_server.text.formatting.piece import Piece
from stenod_server.text.formatting.removal import removed
from stenod_server.text.punctuation import without_marks

HESITATIONS: Final[Mapping[str, frozenset[str]]] = {
    "da": frozenset({"øh", "øhm", "øøh", "hm", "hmm"}),
    "de": frozenset({"äh", "ähh", "ähm", "äähm", "öh", "öhm", "ehm", "hm", "hmm", "mhm", "mmh"}),
    "en": frozenset(
        {
            *("um", "umm", "ummm", "uum", "uhm", "uhmm", "uhhm", "uh", "uhh", "uuh", "uuhh", "er", "err", "erm", "eh"),
            *("eeh", "ah", "ahh", "aah", "aahh", "hm", "hmm", "hmmm", "hhm", "hhmm", "mm", "mmm"),
        }
    ),
    "es": frozenset({"em", "ehm", "eeh", "mmm", "hm", "hmm"}),
    "fr": frozenset({"euh", "euhh", "heu", "euhm", "hm", "hmm", "hum"}),
    "it": frozenset({"ehm", "uhm", "mmm", "hm", "hmm"}),
    "nl": frozenset({"eh", "ehm", "uh", "uhm", "euh", "hm", "hmm"}),
    "no": frozenset({"eh", "ehm", "øh", "øhm", "hm", "hmm"}),
    "pt": frozenset({"hum", "hm", "hmm", "ehm", "ahn"}),
    "ru": frozenset({"э", "ээ", "эээ", "эм", "мм", "ммм", "гм", "хм"}),
    "sv": frozenset({"eh", "ehm", "öh", "öhm", "hm", "hmm"}),
}


@lru_cache(maxsize=8192)  # people say the same words again and again
def is_one(text: str, language: str) -> bool:
    """Whether a word is a disfluency; never in a language that is not in HESITATIONS."""
    return without_marks(text).lower() in HESITATIONS.get(language, ())


def tagged(word: Word, *, language: str) -> Word:
    if not is_one(word.text, language):
        return word
    return replace(word, tags=tuple(dict.fromkeys((*word.tags, WordTag.DISFLUENCY))))


def without_disfluencies(pieces: Sequence[Piece]) -> list[Piece]:
    return removed(pieces, lambda piece: all(WordTag.DISFLUENCY in word.tags for word in piece.words))
