"""Moonshine's tokenizer: token numbers to words. The vocabulary is SentencePiece-like, with bytes as fallback."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_SPACE: Final = "▁".encode()
_FIRST_BYTE: Final = 3  # tokens 3 to 258 stand for one byte of UTF-8 each
_FIRST_RESERVED: Final = 32_000  # <<ST_0>> and on: never text
_LONG_LENGTH: Final = 128
_CLOSING: Final = frozenset(".,!?;:\u2026%)]}\u201d\u2019'\"")


@dataclass(frozen=True, slots=True)
class SpelledWord:
    """`text` is spelled by tokens [first, last] of the sequence, both included."""

    text: str
    first: int
    last: int


class Tokenizer:
    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = tuple(pieces)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read `tokenizer.bin`. Raises ValueError where it is cut short."""
        return cls(parse_pieces(path.read_bytes()))

    def words(self, tokens: Sequence[int]) -> list[SpelledWord]:
        """Group tokens into words. A piece that begins with a space begins a word; bytes that are not UTF-8 become �.

        Punctuation that stands alone joins the word before it.
        """
        words: list[SpelledWord] = []
        for first, last in self._spans(tokens):
            text = self._spell(tokens[first : last + 1])
            if not text:
                continue
            if words and all(character in _CLOSING for character in text):
                words[-1] = SpelledWord(words[-1].text + text, words[-1].first, last)
            else:
                words.append(SpelledWord(text, first, last))
        return words

    def _spans(self, tokens: Sequence[int]) -> list[tuple[int, int]]:
        starts = [index for index, token in enumerate(tokens) if index == 0 or self._opens_word(token)]
        ends = [*starts[1:], len(tokens)]
        return [(start, end - 1) for start, end in zip(starts, ends, strict=False)]

    def _opens_word(self, token: int) -> bool:
        return self._is_text(token) and self._pieces[token].startswith(_SPACE)

    def _is_text(self, token: int) -> bool:
        return _FIRST_BYTE <= token < min(_FIRST_RESERVED, len(self._pieces))

    def _spell(self, tokens: Sequence[int]) -> str:
        raw = b"".join(self._pieces[token] for token in tokens if self._is_text(token))
        return "".join(raw.replace(_SPACE, b" ").decode("utf-8", "replace").split())


def parse_pieces(data: bytes) -> list[bytes]:
    """Per token a length (one byte; from 128 on: low 7 bits + 128 x the next byte), then that many bytes."""
    pieces: list[bytes] = []
    place = 0
    while place < len(data):
        length = data[place]
        place += 1
        if length >= _LONG_LENGTH:
            if place == len(data):
                raise ValueError("the tokenizer ends inside a length")
            length = (length & 0x7F) + _LONG_LENGTH * data[place]
            place += 1
        piece = data[place : place + length]
        if len(piece) != length:
            raise ValueError("the tokenizer ends inside a piece")
        pieces.append(piece)
        place += length
    return pieces
