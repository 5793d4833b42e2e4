"""Which language a text is written in, for recognisers that do not say what they hear.

py3langid: naive Bayes over byte n-grams (Lui and Baldwin, "langid.py: An Off-the-shelf Language Identification Tool",
ACL 2012). Its probabilities are too sure of a few words, so short texts are not judged.
"""

from collections.abc import Iterable
from typing import Final, Protocol

from py3langid.langid import MODEL_FILE, LanguageIdentifier

_LEAST_WORDS: Final = 8
_LEAST_CONFIDENCE_RATIO: Final = 0.95


class TextLanguage(Protocol):
    """Tells languages of texts."""

    languages: frozenset[str]

    def identify(self, text: str) -> tuple[str, float] | None:
        """The language and how sure that is, 0 to 1; None where the text is too short to say, or like several."""
        ...


class LangidTextLanguage:
    """Among some languages; what else is spoken is taken for one of them. Deterministic; 0.1 ms a text."""

    def __init__(self, languages: Iterable[str]) -> None:
        """BCP-47; those that the identifier does not know are left out. Reads 2 MB and takes 0.2 s."""
        identifier = LanguageIdentifier.from_pickled_model(MODEL_FILE, norm_probs=True)
        known = set(identifier.nb_classes)
        self.languages = frozenset(code for code in map(primary, languages) if code in known)
        identifier.set_languages(sorted(self.languages))
        self._identifier = identifier

    def identify(self, text: str) -> tuple[str, float] | None:
        if not self.languages or len(text.split()) < _LEAST_WORDS:
            return None
        language, confidence = self._identifier.classify(text)
        return (str(language), min(1.0, float(confidence))) if confidence >= _LEAST_CONFIDENCE_RATIO else None


def primary(language: str) -> str:
    """`de` of `de-CH`."""
    return language.lower().split("-")[0]
