"""Swear words: whole words with their inflections, by a list for each language (`data/profanity`).

The lists are short on purpose. Public ones (LDNOOBW, cuss) also hold words of the body, of medicine and of every day,
which a transcript must not lose; ours keep what such lists agree on and what is hardly said in a harmless sense.
"""

import re
from dataclasses import replace
from functools import cache, lru_cache
from importlib import resources
from typing import Final

from stenod_server.domain.transcript import Word, WordTag
from stenod_server.text.punctuation import affixes

LANGUAGES: Final = frozenset({"de", "en", "es", "fr", "it"})
_LETTER: Final = re.compile(r"[^\W\d_]")


@cache
def swear_words(language: str) -> frozenset[str]:
    """Of one of LANGUAGES. Reads a small file."""
    path = resources.files(__package__) / "data" / "profanity" / f"{language}.txt"
    lines = path.read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


@lru_cache(maxsize=8192)  # people say the same words again and again
def is_one(text: str, language: str) -> bool:
    """Whether a word is a swear word: `shit`, `bull-shit`, `holier-than-shit`; never in a language that is not in
    LANGUAGES.
    """
    if language not in LANGUAGES:
        return False
    bare = _bare(affixes(text)[1]).lower()
    return bool({bare, bare.replace("-", ""), *bare.split("-")} & swear_words(language))


def tagged(word: Word, *, language: str, mask: bool) -> Word:
    """With `mask`, all letters but the first are asterisks."""
    if not is_one(word.text, language):
        return word
    text = _masked(word.text) if mask else word.text
    return replace(word, text=text, tags=tuple(dict.fromkeys((*word.tags, WordTag.PROFANITY))))


def _masked(text: str) -> str:
    lead, core, trail = affixes(text)
    bare = _bare(core)
    return lead + bare[:1] + _LETTER.sub("*", bare[1:]) + core[len(bare) :] + trail


def _bare(core: str) -> str:
    return core.replace("’", "'").removesuffix("'s").removesuffix("'")  # noqa: RUF001  as recognisers write it
