"""Agglomerative clustering of voices by the cosine of their centroids, with pairs that must stay apart. Pure.

Centroid linkage, and not the mean of all pairs: the embedding of a short voice is noisy, a centroid is not, so a short
voice is likened to all that is known of a person. The work grows with the square of the voices, so who calls this
bounds them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Pair = tuple[int, int]

_APART: Final = -2.0  # below any cosine
_SHORTEST_SUM: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Prints:
    """Voices or groups of them. `sums` float32 (n, dimensions): embeddings times the seconds of clean speech each was
    made of; `weights_s` float32 (n,): those seconds, and `clear_s` float32 (n,): those of them that came in voices with
    enough of them to be trusted. The direction of a sum is the centroid.
    """

    sums: FloatArray
    weights_s: FloatArray
    clear_s: FloatArray

    @classmethod
    def none(cls, dimensions: int = 0) -> Self:
        return cls(np.zeros((0, dimensions), np.float32), np.zeros(0, np.float32), np.zeros(0, np.float32))

    def __len__(self) -> int:
        return len(self.weights_s)

    def __getitem__(self, places: IntArray | BoolArray) -> "Prints":
        return Prints(self.sums[places], self.weights_s[places], self.clear_s[places])

    def __add__(self, other: "Prints") -> "Prints":
        """Those of both, one after the other."""
        if not len(self):
            return other
        return Prints(
            np.concatenate([self.sums, other.sums]),
            np.concatenate([self.weights_s, other.weights_s]),
            np.concatenate([self.clear_s, other.clear_s]),
        )

    def directions(self) -> FloatArray:
        """The centroids, float32 (n, dimensions) of length 1."""
        lengths = np.linalg.norm(self.sums, axis=1, keepdims=True)
        directions: FloatArray = self.sums / np.maximum(lengths, _SHORTEST_SUM)
        return directions

    def joined(self, groups: IntArray) -> "Prints":
        """Of groups (n,), numbered from 0 without gaps."""
        count = int(groups.max()) + 1 if len(groups) else 0
        sums = np.zeros((count, self.sums.shape[1]), np.float32)
        weights_s, clear_s = np.zeros(count, np.float32), np.zeros(count, np.float32)
        np.add.at(sums, groups, self.sums)
        np.add.at(weights_s, groups, self.weights_s)
        np.add.at(clear_s, groups, self.clear_s)
        return Prints(sums, weights_s, clear_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """Two groups are one person where the cosine of their centroids is `likeness` or more, as long as there are more
    than `least` groups; above `most` groups the likest two are one whatever their likeness. 0: any number.
    """

    likeness: float
    least: int = 0
    most: int = 0


def grouped(prints: Prints, rules: Grouping, apart: Collection[Pair] = ()) -> IntArray:
    """The group of each, int64 (n,), numbered from 0 in the order of their first members. Pairs `apart` are of two
    people, and so are the groups that they are in, even above `most`.
    """
    merging = _Merging(prints, apart)
    for groups in range(len(prints), max(1, rules.least), -1):
        one, other, likeness = merging.likest()
        is_crowded = 0 < rules.most < groups
        if likeness <= _APART or (likeness < rules.likeness and not is_crowded):
            break
        merging.join(one, other)
    labels: IntArray = np.unique(merging.owner, return_inverse=True)[1].astype(np.int64)
    return labels


class _Merging:
    """Groups, each in the row of its first member; the other members' rows are spent."""

    def __init__(self, prints: Prints, apart: Collection[Pair]) -> None:
        self.owner = np.arange(len(prints))
        self._sums = prints.sums.copy()
        self._directions = prints.directions()
        self._barred = np.eye(len(prints), dtype=np.bool_)  # pairs that are never joined
        for one, other in apart:
            self._barred[one, other] = self._barred[other, one] = True
        self._likeness = np.where(self._barred, np.float32(_APART), self._directions @ self._directions.T)

    def likest(self) -> tuple[int, int, float]:
        """The two groups, the one that came first first, and their cosine."""
        one, other = sorted(divmod(int(self._likeness.argmax()), len(self.owner)))
        return one, other, float(self._likeness[one, other])

    def join(self, one: int, other: int) -> None:
        self.owner[self.owner == other] = one
        self._sums[one] += self._sums[other]
        self._directions[one] = self._sums[one] / max(float(np.linalg.norm(self._sums[one])), _SHORTEST_SUM)
        self._barred[one] |= self._barred[other]
        self._barred[other] = True  # a spent row
        self._barred[:, one], self._barred[:, other] = self._barred[one], True
        fresh = np.where(self._barred[one], np.float32(_APART), self._directions @ self._directions[one])
        self._likeness[one] = self._likeness[:, one] = fresh
        self._likeness[other] = self._likeness[:, other] = _APART


def apart_groups(apart: Collection[Pair], groups: IntArray) -> list[Pair]:
    """The pairs of groups whose members are apart, each once."""
    pairs = {(int(groups[one]), int(groups[other])) for one, other in apart}
    return sorted({(min(pair), max(pair)) for pair in pairs})


def nearest(prints: Prints, people: Prints, apart: Collection[Pair] = ()) -> tuple[IntArray, FloatArray]:
    """For each of `prints` the likest of `people` (one at least), and the cosine. Pairs `apart` are of a print and
    somebody who it is not of.
    """
    likeness = prints.directions() @ people.directions().T
    for one, somebody in apart:
        likeness[one, somebody] = _APART
    return likeness.argmax(axis=1), likeness.max(axis=1, initial=_APART)
