"""What people say and how it is to be written: `formatting_cases.tsv`."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stenod_server.domain.formatting import Formatting
from stenod_server.domain.transcript import Segment, Word
from stenod_server.text.formatting import Formatter

TABLE = Path(__file__).with_suffix(".tsv")
WORD_SAMPLES = 8000  # how long a word takes, with the silence behind it
SOUND_SAMPLES = 7000


@dataclass(frozen=True, slots=True)
class Case:
    """`language`: BCP-47; that of English with a region decides how dates, times and pounds are written."""

    kind: str
    language: str
    spoken: str
    written: str


@cache
def cases() -> tuple[Case, ...]:
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return tuple(
        Case(kind, language or "en", spoken, spoken if written == "=" else written)
        for kind, language, spoken, written in rows
    )


def spoken(texts: Iterable[str], language: str = "en", *, confidence: float = 0.5) -> Segment:
    """A segment of these words, one after the other."""
    words = (
        Word(text, index * WORD_SAMPLES, index * WORD_SAMPLES + SOUND_SAMPLES, confidence, language)
        for index, text in enumerate(texts)
    )
    return Segment(0, tuple(words), language)


def with_numerals(text: str, language: str = "en") -> str:
    """The text as it is written with numbers in digits."""
    segment = Formatter(Formatting(numerals=True), language).format(spoken(text.split(), language))
    return segment.text if segment else ""
