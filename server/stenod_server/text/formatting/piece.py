"""What the steps of formatting hand on: a segment's words, each alone or as part of an entity."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

from stenod_server.domain.transcript import Entity, Segment, Word


@dataclass(frozen=True, slots=True)
class Piece:
    """One word as it was said, or an entity: the words that are written for it, and those that were `spoken`."""

    words: tuple[Word, ...]
    kind: str = ""
    spoken: tuple[Word, ...] = ()


Step: TypeAlias = Callable[[Sequence[Piece]], list[Piece]]
Change: TypeAlias = Callable[[Word], Word | None]


def pieces_of(segment: Segment) -> list[Piece]:
    return [Piece((word,)) for word in segment.words]


def segment_of(segment: Segment, pieces: Iterable[Piece], *, entities: bool) -> Segment | None:
    """The segment with these words; None where there are none."""
    words: list[Word] = []
    found: list[Entity] = []
    for piece in pieces:
        if piece.kind and entities:
            found.append(Entity(piece.kind, len(words), len(piece.words), piece.spoken))
        words += piece.words
    return replace(segment, words=tuple(words), entities=tuple(found)) if words else None


def each_word(change: Change) -> Step:
    """A step that changes or drops words one by one. What is an entity stays one while it has a word."""

    def step(pieces: Sequence[Piece]) -> list[Piece]:
        changed = (_changed(piece, change) for piece in pieces)
        return [piece for piece in changed if piece.words]

    return step


def _changed(piece: Piece, change: Change) -> Piece:
    words = tuple(filter(None, map(change, piece.words)))
    return piece if words == piece.words else replace(piece, words=words)


def merged(words: Sequence[Word], text: str) -> Word:
    """One word for several: from the start of the first to the end of the last. Its confidence and volume are the means
    of theirs, weighed by their lengths; its tags are those of them all.
    """
    first = words[0]
    return replace(
        first,
        text=text,
        end_samples=max(word.end_samples for word in words),
        confidence=_mean([(word.confidence, word) for word in words]),
        volume=_mean([(word.volume, word) for word in words if word.volume is not None])
        if first.volume is not None
        else None,
        tags=tuple(dict.fromkeys(tag for word in words for tag in word.tags)),
    )


def spread(words: Sequence[Word], texts: Sequence[str], *, until_samples: int | None = None) -> list[Word]:
    """Other words for some: one for one where they are as many, otherwise sharing their time evenly, up to where the
    next word begins, which may be before the last of these ends.
    """
    if len(words) == len(texts):
        return [replace(word, text=text) for word, text in zip(words, texts, strict=True)]
    whole = merged(words, "")
    end_samples = whole.end_samples if until_samples is None else min(whole.end_samples, until_samples)
    length = max(0, end_samples - whole.start_samples)
    bounds = [whole.start_samples + length * place // len(texts) for place in range(len(texts) + 1)]
    return [
        replace(whole, text=text, start_samples=start, end_samples=end)
        for text, (start, end) in zip(texts, pairwise(bounds), strict=True)
    ]


def _mean(values: Sequence[tuple[float, Word]]) -> float:
    weights = [max(1, word.end_samples - word.start_samples) for _, word in values]
    return sum(value * weight for (value, _), weight in zip(values, weights, strict=True)) / sum(weights)
