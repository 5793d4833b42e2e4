"""Token numbers to words and back: SentencePiece's pieces, where `▁` is the space, with bytes as fallback.

Kudo and Richardson, "SentencePiece: A simple and language independent subword tokenizer", arXiv 1808.06226.
"""

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, Self

from stenod_models.decoding.spellings import Span

FILE_NAME: Final = "vocabulary.json"

_SPACE: Final = "▁"
_BYTE: Final = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_CLOSING: Final = frozenset(".,!?;:\u2026%)]}\u201d\u2019'\"")


def is_byte(piece: str) -> bool:
    return _BYTE.fullmatch(piece) is not None


class Vocabulary:
    """`pieces[token]` is the token's text; empty for what is never text (control tokens, the unknown token)."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self._opens = [piece.startswith(_SPACE) for piece in pieces]
        self._bytes = [_bytes_of(piece) for piece in pieces]
        self._texts = [piece.replace(_SPACE, " ") for piece in pieces]
        self._numbers = {piece: token for token, piece in reversed(list(enumerate(pieces))) if piece}

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(json.loads((folder / FILE_NAME).read_text(encoding="utf-8")))

    def words(self, tokens: Sequence[int]) -> list[Span]:
        """Group tokens into words. A piece that begins with a space begins a word; bytes that are not UTF-8 become �.

        Punctuation that stands alone joins the word before it.
        """
        words: list[Span] = []
        starts = [index for index, token in enumerate(tokens) if index == 0 or self._opens_word(token)]
        for first, end in pairwise([*starts, len(tokens)]):
            text = self.spell(tokens[first:end])
            if not text:
                continue
            if words and _is_punctuation(text):
                before = words[-1]
                words[-1] = Span(before.text + text, before.first, end - 1)
            else:
                words.append(Span(text, first, end - 1))
        return words

    def last_sounding(self, tokens: Sequence[int], word: Span) -> int:
        """The word's last token that is not punctuation, or its first."""
        for index in range(word.last, word.first, -1):
            text = self.spell([tokens[index]])
            if text and not _is_punctuation(text):
                return index
        return word.first

    def spell(self, tokens: Sequence[int]) -> str:
        """Without spaces."""
        raw = b"".join(self._bytes[token] for token in tokens if token < len(self._bytes))
        return "".join(raw.decode("utf-8", "replace").split())

    def texts(self) -> list[str]:
        """What each token spells, a space first where it begins a word; nothing for what is no text. What a byte spells
        is not known, but that it ends no word is.
        """
        return ["x" if _BYTE.fullmatch(text) else text for text in self._texts]

    def spellings(self, text: str) -> list[tuple[int, ...]]:
        """The ways in which a model may write words inside a sentence, none twice.

        How the vocabulary was learnt is not written in it. Where by merging pairs, the pair with the lowest number goes
        first; where as a unigram model, pieces as long as possible are likely. Neither, where a letter cannot be spelt.
        """
        whole = f"{_SPACE}{text}".replace(" ", _SPACE)
        ways = [self._numbered(pieces) for pieces in (self._merged(whole), self._longest(whole))]
        return list(dict.fromkeys(way for way in ways if way))

    def _merged(self, text: str) -> list[str]:
        pieces = list(text)
        while True:
            joined = [(self._numbers.get(left + right), place) for place, (left, right) in enumerate(pairwise(pieces))]
            known = [(number, place) for number, place in joined if number is not None]
            if not known:
                return pieces
            _number, place = min(known)
            pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]

    def _longest(self, text: str) -> list[str]:
        pieces, place = [], 0
        while place < len(text):
            end = next((end for end in range(len(text), place, -1) if text[place:end] in self._numbers), place + 1)
            pieces.append(text[place:end])
            place = end
        return pieces

    def _numbered(self, pieces: Sequence[str]) -> tuple[int, ...]:
        """Empty where a piece is in the vocabulary neither as it is nor byte by byte."""
        names = [
            name
            for piece in pieces
            for name in ([piece] if piece in self._numbers else map(_byte_name, piece.encode()))
        ]
        return tuple(self._numbers[name] for name in names) if all(name in self._numbers for name in names) else ()

    def _opens_word(self, token: int) -> bool:
        return token < len(self._opens) and self._opens[token]


def _bytes_of(piece: str) -> bytes:
    found = _BYTE.fullmatch(piece)
    return bytes([int(found[1], 16)]) if found else piece.replace(_SPACE, " ").encode()


def _byte_name(byte: int) -> str:
    return f"<0x{byte:02X}>"


def _is_punctuation(text: str) -> bool:
    return all(character in _CLOSING for character in text)
