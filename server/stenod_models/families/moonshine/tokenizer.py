"""Moonshine's tokenizer: token numbers to words and back. The vocabulary is SentencePiece's, with bytes as fallback.

Text to tokens is byte-pair encoding as in "Neural Machine Translation of Rare Words with Subword Units" (Sennrich et
al., 2016): a token's number tells how early its pair was merged, as SentencePiece numbers them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from stenod_models.decoding.spellings import Span

_SPACE: Final = "▁".encode()
_FIRST_BYTE: Final = 3  # tokens 3 to 258 stand for one byte of UTF-8 each
_BYTES: Final = 256
_FIRST_RESERVED: Final = 32_000  # <<ST_0>> and on: never text
_LONG_LENGTH: Final = 128
_CLOSING: Final = frozenset(".,!?;:\u2026%)]}\u201d\u2019'\"")


class Tokenizer:
    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = tuple(pieces)
        text = range(_FIRST_BYTE + _BYTES, min(_FIRST_RESERVED, len(pieces)))
        self._numbers = {self._pieces[token]: token for token in reversed(text)}

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read `tokenizer.bin`. Raises ValueError where it is cut short."""
        return cls(parse_pieces(path.read_bytes()))

    def tokens(self, text: str) -> list[int]:
        """What the model writes for words inside a sentence."""
        pieces = [character.encode() for character in f" {text}".replace(" ", _SPACE.decode())]
        while True:
            pairs = [
                (self._numbers[joined], place)
                for place in range(len(pieces) - 1)
                if (joined := pieces[place] + pieces[place + 1]) in self._numbers
            ]
            if not pairs:
                break
            _number, place = min(pairs)
            pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
        return [token for piece in pieces for token in self._numbers_of(piece)]

    def texts(self) -> list[str]:
        """What each token spells, a space first where it begins a word; nothing for what is no text."""
        return [
            piece.replace(_SPACE, b" ").decode("utf-8", "replace") if self._is_text(token) else ""
            for token, piece in enumerate(self._pieces)
        ]

    def _numbers_of(self, piece: bytes) -> list[int]:
        number = self._numbers.get(piece)
        return [_FIRST_BYTE + byte for byte in piece] if number is None else [number]

    def words(self, tokens: Sequence[int]) -> list[Span]:
        """Group tokens into words. A piece that begins with a space begins a word; bytes that are not UTF-8 become �.

        Punctuation that stands alone joins the word before it.
        """
        words: list[Span] = []
        for first, last in self._spans(tokens):
            text = self._spell(tokens[first : last + 1])
            if not text:
                continue
            if words and all(character in _CLOSING for character in text):
                words[-1] = Span(words[-1].text + text, words[-1].first, last)
            else:
                words.append(Span(text, first, last))
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
