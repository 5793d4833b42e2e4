"""Everybody heard so far. Each has a number for good; when two turn out to be one, the later is the earlier's heir."""

from array import array
from collections.abc import Collection, Mapping
from typing import Any, Self

import numpy as np

from stenod_server.speakers.clusters import Grouping, IntArray, Pair, Prints, apart_groups, grouped
from stenod_server.speakers.packing import packed, unpacked_numbers, unpacked_places


class People:
    """Takes voices block by block. Who is no longer told apart from somebody else costs one number, the others an
    embedding; `Grouping.most` bounds those.
    """

    def __init__(self) -> None:
        self.prints = Prints.none()
        self.apart: list[Pair] = []  # places in `prints` of two who were heard at the same time
        self._numbers = np.zeros(0, np.int64)  # of `prints`
        self._firsts = array("q")  # of each number the one it was found to be, never a later one

    def take(self, voices: Prints, rules: Grouping, apart: Collection[Pair]) -> IntArray:
        """The number of each voice. Pairs of voices `apart` are of two people."""
        known = len(self.prints)
        everybody = self.prints + voices
        pairs = [*self.apart, *((known + one, known + other) for one, other in apart)]
        groups = grouped(everybody, rules, pairs)
        numbers = self._numbered(groups, known)
        self.prints, self.apart, self._numbers = everybody.joined(groups), apart_groups(pairs, groups), numbers
        taken: IntArray = numbers[groups[known:]]
        return taken

    def places(self, numbers: IntArray) -> IntArray:
        """Where in `prints` these are now."""
        final = np.array(self._firsts, np.int64)
        for number, first in enumerate(self._firsts):
            final[number] = final[first]
        place_of = np.full(len(final), -1, np.int64)
        place_of[self._numbers] = np.arange(len(self._numbers))
        places: IntArray = place_of[final[numbers]]
        return places

    def _numbered(self, groups: IntArray, known: int) -> IntArray:
        """The number of each group: of its first member, or the next one where nobody in it was known."""
        numbers = np.full(int(groups.max(initial=-1)) + 1, -1, np.int64)
        for number, group in sorted(zip(self._numbers.tolist(), groups[:known].tolist(), strict=True)):
            if numbers[group] < 0:
                numbers[group] = number
            self._firsts[number] = int(numbers[group])
        for group in np.flatnonzero(numbers < 0):
            numbers[group] = len(self._firsts)
            self._firsts.append(len(self._firsts))
        return numbers

    def remember(self) -> dict[str, Any]:
        return {
            "sums": packed(self.prints.sums),
            "weights": packed(self.prints.weights_s),
            "clear": packed(self.prints.clear_s),
            "apart": self.apart,
            "numbers": packed(self._numbers),
            "firsts": packed(np.array(self._firsts, np.int64)),
        }

    @classmethod
    def recall(cls, memory: Mapping[str, Any]) -> Self:
        people = cls()
        weights_s = unpacked_numbers(memory["weights"])
        if len(weights_s):
            sums = unpacked_numbers(memory["sums"]).reshape(len(weights_s), -1)
            people.prints = Prints(sums, weights_s, unpacked_numbers(memory["clear"]))
        people.apart = [(int(one), int(other)) for one, other in memory["apart"]]
        people._numbers = unpacked_places(memory["numbers"])
        people._firsts = array("q", unpacked_places(memory["firsts"]).tolist())
        return people
