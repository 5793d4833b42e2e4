"""Whisper's vocabulary: text tokens, and the special tokens that steer it, found by their names.

A prompt is `<|startoftranscript|> <|language|> <|task|> <|notimestamps|>`; an English-only model takes neither language
nor task. Text of the same speaker or subject may stand before it, behind `<|startofprev|>`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from stenod_models.families.whisper import byte_pairs
from stenod_models.language_tags import primary_subtag

_LANGUAGE: Final = re.compile(r"<\|([a-z]{2,3})\|>")
_START: Final = "<|startoftranscript|>"
_END: Final = "<|endoftext|>"
_NO_TIMESTAMPS: Final = "<|notimestamps|>"
_NO_SPEECH: Final = ("<|nospeech|>", "<|nocaptions|>")
_BCP_47: Final = {"jw": "jv"}  # Whisper's own codes that BCP-47 writes otherwise
_ALIASES: Final = {"iw": "he", "in": "id", "ji": "yi", "cmn": "zh", "nb": "no", "fil": "tl", "jw": "jv"}


class Vocabulary:
    """`end` ends a transcript, `no_speech` stands for a window without speech."""

    def __init__(self, tokens: Sequence[str], *, multilingual: bool) -> None:
        """Raises ValueError where a special token is missing."""
        self._tokens = tuple(tokens)
        self._numbers = {token: number for number, token in enumerate(tokens) if token}
        self._multilingual = multilingual
        self.start = self._special(_START)
        self.end = self._special(_END)
        self.no_speech = self._special(*_NO_SPEECH)
        self._no_timestamps = self._special(_NO_TIMESTAMPS)
        self._text = {
            byte_pairs.bytes_of(token): number for number, token in enumerate(tokens[: self.end]) if _is_text(token)
        }
        self._pieces = {number: piece for piece, number in self._text.items()}
        self.languages: Mapping[str, int] = MappingProxyType(self._languages() if multilingual else {})
        """Token of each language, by BCP-47 code."""

    @classmethod
    def load(cls, path: Path, *, multilingual: bool) -> Self:
        return cls(json.loads(path.read_text("utf-8")), multilingual=multilingual)

    def language_of(self, name: str) -> str | None:
        """The code under which this model knows a BCP-47 language, whatever its case, region or alias."""
        primary = primary_subtag(name)
        code = _ALIASES.get(primary, primary)
        known = self.languages or {"en": 0}
        return code if code in known else None

    def prompt(self, language: str, task: str, previous: Sequence[int] = ()) -> list[int]:
        """`previous` are the tokens of a text before, without a special token."""
        before = [self._special("<|startofprev|>"), *previous] if previous else []
        kind = [self.languages[language], self._special(f"<|{task}|>")] if self._multilingual else []
        return [*before, self.start, *kind, self._no_timestamps]

    def encode(self, text: str) -> list[int]:
        """Byte-pair encoding of a text that follows other text."""
        return byte_pairs.encode(" " + text.strip(), self._text)

    def bytes_of(self, token: int) -> bytes:
        """What a token writes; nothing for a special one."""
        return self._pieces.get(token, b"")

    def never_chosen(self, size: int, suppressed: Sequence[int]) -> npt.NDArray[np.bool_]:
        """Bool (size,): the checkpoint's own list, and all that is neither text nor the end."""
        never = np.ones(size, np.bool_)
        never[: self.end + 1] = False
        never[[token for token in suppressed if token < size]] = True
        return never

    def _special(self, *names: str) -> int:
        for name in names:
            if name in self._numbers:
                return self._numbers[name]
        raise ValueError(f"the vocabulary has no token {' or '.join(names)}")

    def _languages(self) -> dict[str, int]:
        found = ((_LANGUAGE.fullmatch(token), number) for token, number in self._numbers.items())
        return {_BCP_47.get(match[1], match[1]): number for match, number in found if match and number > self.start}


def _is_text(token: str) -> bool:
    return bool(token) and not (token.startswith("<|") and token.endswith("|>"))
