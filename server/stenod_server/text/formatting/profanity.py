"""Swear words: whole words with their inflections, by a list for each language (`data/profanity`).

The lists are short on purpose. Public ones (LDNOOBW, cuss) also hold words of the body, of medicine and of every day,
which a transcript must not lose; ours keep what such lists agree on and what has no harmless sense.
"""

import re
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Final

from stenod_server.domain.transcript import Word, WordTag
from stenod_server.text.formatting.marks import affixes

LANGUAGES: Final = frozenset({"de", "en", "es", "fr", "it"})
_LETTER: Final = re.compile(r"[^\W\d_]")


@cache
def swear_words(language: str) -> frozenset[str]:
    """Of one of LANGUAGES. Reads a small file."""
    path = resources.files(__package__) / "data" / "profanity" / f"{language}.txt"
    lines = path.read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def tagged(word: Word, *, swearing: frozenset[str], mask: bool) -> Word:
    """With `mask`, all letters but the first are asterisks."""
    lead, core, trail = affixes(word.text)
    bare = core.replace("’", "'").removesuffix("'s").removesuffix("'")  # noqa: RUF001  as recognisers write it
    if not _swears(bare.lower(), swearing):
        return word
    masked = bare[:1] + _LETTER.sub("*", bare[1:]) + core[len(bare) :]
    text = lead + masked + trail if mask else word.text
    return replace(word, text=text, tags=tuple(dict.fromkeys((*word.tags, WordTag.PROFANITY))))


def _swears(bare: str, swearing: frozenset[str]) -> bool:
    """`shit`, `bull-shit`, `holier-than-shit`."""
    return bool({bare, bare.replace("-", ""), *bare.split("-")} & swearing)
