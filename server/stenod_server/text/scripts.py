"""The scripts that languages are written in, by the first word of the Unicode names of their letters."""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from stenod_server.text.language_of_text import primary

_LATIN: Final = (
    "af", "bs", "ca", "cs", "cy", "da", "de", "en", "es", "et", "eu", "fi", "fo", "fr", "ga", "gl", "hr", "ht", "hu",
    "id", "is", "it", "la", "lb", "ln", "lt", "lv", "mg", "mi", "ms", "mt", "nl", "nn", "no", "oc", "pl", "pt", "ro",
    "sk", "sl", "so", "sq", "sv", "sw", "tl", "tr", "vi", "yo",
)  # fmt: skip
_HAN: Final = frozenset({"CJK"})
_SCRIPTS: Final[Mapping[str, frozenset[str]]] = {
    **{code: frozenset({"LATIN"}) for code in _LATIN},
    **{code: frozenset({"CYRILLIC"}) for code in ("be", "bg", "mk", "ru", "uk")},
    "ar": frozenset({"ARABIC"}), "el": frozenset({"GREEK"}), "fa": frozenset({"ARABIC"}), "he": frozenset({"HEBREW"}),
    "hi": frozenset({"DEVANAGARI"}), "ja": _HAN | {"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"},
    "ko": _HAN | {"HANGUL"}, "th": frozenset({"THAI"}), "ur": frozenset({"ARABIC"}), "yue": _HAN, "zh": _HAN,
}  # fmt: skip


def scripts_of(languages: Iterable[str]) -> frozenset[str]:
    """Those of all these languages, and Latin, which is used for names everywhere; empty where one is not known."""
    known = [_SCRIPTS.get(primary(code)) for code in languages]
    if not known or None in known:
        return frozenset()
    return frozenset({"LATIN"}).union(*(scripts for scripts in known if scripts))


def is_mostly_in(text: str, scripts: frozenset[str]) -> bool:
    """Whether at least half of the letters are of these scripts; true of a text without letters."""
    letters = [_script(letter) in scripts for letter in text if letter.isalpha()]
    return 2 * sum(letters) >= len(letters)


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]
