"""Token numbers to words: SentencePiece's pieces, where `▁` is the space, with bytes as fallback.

Kudo and Richardson, "SentencePiece: A simple and language independent subword tokenizer", arXiv 1808.06226.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, Self

FILE_NAME: Final = "vocabulary.json"

_SPACE: Final = "▁"
_BYTE: Final = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_CLOSING: Final = frozenset(".,!?;:\u2026%)]}\u201d\u2019'\"")


@dataclass(frozen=True, slots=True)
class SpelledWord:
    """`text` is spelled by tokens [first, last] of the sequence; `sounding` is the last that is not punctuation."""

    text: str
    first: int
    last: int
    sounding: int


class Vocabulary:
    """`pieces[token]` is the token's text; empty for what is never text (control tokens, the unknown token)."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self._opens = [piece.startswith(_SPACE) for piece in pieces]
        self._bytes = [_bytes_of(piece) for piece in pieces]

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(json.loads((folder / FILE_NAME).read_text(encoding="utf-8")))

    def words(self, tokens: Sequence[int]) -> list[SpelledWord]:
        """Group tokens into words. A piece that begins with a space begins a word; bytes that are not UTF-8 become �.

        Punctuation that stands alone joins the word before it.
        """
        words: list[SpelledWord] = []
        starts = [index for index, token in enumerate(tokens) if index == 0 or self._opens_word(token)]
        for first, end in pairwise([*starts, len(tokens)]):
            text = self._spell(tokens[first:end])
            if not text:
                continue
            if words and _is_punctuation(text):
                before = words[-1]
                words[-1] = SpelledWord(before.text + text, before.first, end - 1, before.sounding)
            else:
                words.append(SpelledWord(text, first, end - 1, self._sounding(tokens, first, end)))
        return words

    def _opens_word(self, token: int) -> bool:
        return token < len(self._opens) and self._opens[token]

    def _sounding(self, tokens: Sequence[int], first: int, end: int) -> int:
        for index in range(end - 1, first, -1):
            text = self._spell([tokens[index]])
            if text and not _is_punctuation(text):
                return index
        return first

    def _spell(self, tokens: Sequence[int]) -> str:
        raw = b"".join(self._bytes[token] for token in tokens if token < len(self._bytes))
        return "".join(raw.decode("utf-8", "replace").split())


def _bytes_of(piece: str) -> bytes:
    found = _BYTE.fullmatch(piece)
    return bytes([int(found[1], 16)]) if found else piece.replace(_SPACE, " ").encode()


def _is_punctuation(text: str) -> bool:
    return all(character in _CLOSING for character in text)
