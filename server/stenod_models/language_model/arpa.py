"""Reads ARPA files, as SRILM's ngram-format(5) and KenLM write them, gzipped or not."""

import gzip
import re
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

import numpy as np

from stenod_models.language_model.ngrams import MISSING_LOG10, UNKNOWN, IntArray, NgramModel, Order

_COUNT: Final = re.compile(r"ngram\s+(\d+)\s*=\s*(\d+)")
_BLANKS: Final = re.compile(r"[ \t]+")  # not every white space: a word may hold a no-break space


class BrokenArpaError(ValueError):
    """The file is not an ARPA model; says in which line."""


def read_arpa(path: Path) -> NgramModel:
    """Blocks for about a second per million n-grams. Raises BrokenArpaError, OSError."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        return _Reader(lines, path.name).read()


class _Reader:
    def __init__(self, lines: TextIO, name: str) -> None:
        self._lines = lines
        self._name = name
        self._line = 0
        self._words: dict[str, int] = {}
        self._orders: list[Order] = []

    def read(self) -> NgramModel:
        try:
            counts = self._counts()
            for length, count in enumerate(counts, start=1):
                self._expect(f"\\{length}-grams:")
                self._orders.append(self._order(length, count, is_last=length == len(counts)))
            self._expect("\\end\\")
        except ValueError as error:
            raise BrokenArpaError(f"{self._name}, line {self._line}: {error}") from error
        return NgramModel(self._words, self._orders)

    def _next(self) -> str:
        line = self._lines.readline()
        if not line:
            raise ValueError("the file ends early")
        self._line += 1
        return line.strip(" \t\r\n")

    def _next_filled(self) -> str:
        while not (line := self._next()):
            pass
        return line

    def _expect(self, heading: str) -> None:
        found = self._next_filled()
        if found != heading:
            raise ValueError(f"{heading} expected, found {found[:40]!r}")

    def _counts(self) -> list[int]:
        while self._next_filled() != "\\data\\":
            pass
        counts: list[int] = []
        while line := self._next():
            found = _COUNT.fullmatch(line)
            if found is None or int(found[1]) != len(counts) + 1:
                raise ValueError(f"'ngram {len(counts) + 1}=…' expected, found {line[:40]!r}")
            counts.append(int(found[2]))
        if not counts:
            raise ValueError("no n-grams are announced")
        return counts

    def _order(self, length: int, count: int, *, is_last: bool) -> Order:
        numbers, scores, backoffs = array("q"), array("f"), array("f")
        for _ in range(count):
            line = self._next_filled()
            fields = _BLANKS.split(line)
            if not length + 1 <= len(fields) <= length + 1 + (not is_last):
                raise ValueError(f"{length} words with a probability expected, found {line[:40]!r}")
            scores.append(float(fields[0]))
            backoffs.append(float(fields[length + 1]) if len(fields) > length + 1 else 0.0)
            numbers.extend(self._numbers(fields[1 : length + 1], is_new=length == 1))
        if length == 1:
            self._add_unknown(scores, backoffs)
        keys = self._keys(np.array(numbers, np.int64).reshape(-1, length)) if length > 1 else np.arange(len(scores))
        return Order.sorted_by(keys, np.array(scores, np.float32), np.array(backoffs, np.float32))

    def _numbers(self, words: Sequence[str], *, is_new: bool) -> list[int]:
        if is_new:
            word = UNKNOWN if words[0] == "<UNK>" else words[0]
            if word in self._words:
                raise ValueError(f"{word!r} comes twice")
            self._words[word] = len(self._words)
            return [self._words[word]]
        try:
            return [self._words[UNKNOWN if word == "<UNK>" else word] for word in words]
        except KeyError as error:
            raise ValueError(f"{error.args[0]!r} is not among the 1-grams") from error

    def _add_unknown(self, scores: "array[float]", backoffs: "array[float]") -> None:
        if UNKNOWN not in self._words:
            self._words[UNKNOWN] = len(self._words)
            scores.append(MISSING_LOG10)
            backoffs.append(0.0)

    def _keys(self, words: IntArray) -> IntArray:
        """Place of the first words in the order below, and the last word, as one number."""
        places = words[:, 0]
        for column, order in enumerate(self._orders[1:], start=1):
            wanted = places * len(self._words) + words[:, column]
            places = np.minimum(order.keys.searchsorted(wanted), len(order.keys) - 1)
            if len(order.keys) == 0 or (order.keys[places] != wanted).any():
                raise ValueError("an n-gram begins with words that are no n-gram themselves")
        return places * len(self._words) + words[:, -1]
