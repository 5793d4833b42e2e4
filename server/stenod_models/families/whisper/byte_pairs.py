"""Byte-level byte-pair encoding as GPT-2 defined it.

See "Language Models are Unsupervised Multitask Learners" (Radford et al., 2019). A token is written as text in which
every byte stands for one printable character. Pairs are merged in the order in which the vocabulary learnt them, which
is the order of their numbers: so no list of merges is needed.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Final

# What is encoded by itself: a contraction, else a run of one class of character with the blank before it.
_CONTRACTION: Final = re.compile(r"'(?:[sdmt]|ll|ve|re)")
_RUN: Final = re.compile(r" ?L+| ?N+| ?O+|[ S]+(?![^ S])|[ S]+")


@cache
def character_of_byte() -> Mapping[int, str]:
    """Printable characters of Latin-1 stand for themselves, the other bytes for characters from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in set(printable)]
    return {byte: chr(byte) for byte in printable} | {byte: chr(0x100 + place) for place, byte in enumerate(rest)}


@cache
def _byte_of_character() -> Mapping[str, int]:
    return {character: byte for byte, character in character_of_byte().items()}


def bytes_of(token: str) -> bytes:
    """Raises KeyError where the token is not written in the byte alphabet."""
    table = _byte_of_character()
    return bytes(table[character] for character in token)


def encode(text: str, numbers: Mapping[bytes, int]) -> list[int]:
    """Token numbers of `text`. Raises KeyError where the vocabulary lacks one of its bytes."""
    return [number for piece in pieces(text) for number in _merged(piece.encode(), numbers)]


def pieces(text: str) -> Iterator[str]:
    classes = "".join(map(_class_of, text))
    place = 0
    while place < len(text):
        found = _CONTRACTION.match(text, place) or _RUN.match(classes, place)
        end = found.end() if found else place + 1
        yield text[place:end]
        place = end


def _class_of(character: str) -> str:
    if character.isspace():
        return " " if character == " " else "S"
    major = unicodedata.category(character)[0]
    return major if major in "LN" else "O"


def _merged(raw: bytes, numbers: Mapping[bytes, int]) -> list[int]:
    parts = [raw[place : place + 1] for place in range(len(raw))]
    while len(parts) > 1:
        ranks = [numbers.get(left + right) for left, right in pairwise(parts)]
        known = [(rank, place) for place, rank in enumerate(ranks) if rank is not None]
        if not known:
            break
        _rank, place = min(known)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return [numbers[part] for part in parts]
