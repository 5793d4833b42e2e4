"""Phrases that are easier to hear: shallow fusion with a trie of token sequences.

After "Shallow-Fusion End-to-End Contextual Biasing" (Zhao et al., Interspeech 2019), with the failure links of Aho and
Corasick (1975), so that a phrase that begins inside another one is not missed. Token numbers and scores only, so every
family can use it:

    trie = PhraseTrie(phrases_of(options.hotwords, tokenise), ends_word_of(texts))
    states = trie.start(rows)
    loop:
        trie.add_to(log_probabilities, states)                         # all of the vocabulary, or …
        scores = log_probabilities_of_ids + trie.amounts(states, ids)  # … some of it, `trie.wanted(states)` among it
        states = trie.advance(states, tokens)                          # reordered by parent first, in a beam
    words = respelled(words, trie.matches(tokens))

What a token is worth: its phrase's boost. The sum of all that is given along a sequence is what its whole phrases are
worth: what was given for a beginning is taken back by the token that breaks it off, and a phrase is whole only where
its word ends ("Ann" is not in "Annual"). Where a phrase goes on as a longer one, tokens are paid once. In a greedy
search, where no rival hypothesis wins by it, taking back helps too: it has a phrase that was begun be finished (on
English recordings more of the phrases were heard than without, at as many false ones).
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

ROOT: Final = 0


@dataclass(frozen=True, slots=True)
class Phrase:
    """A token sequence and what each of its tokens is worth in natural log-probability.

    `heard` is what the tokens spell. Where `written` is not empty, the transcript shall say that instead.
    """

    tokens: tuple[int, ...]
    boost: float
    heard: str = ""
    written: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """A whole phrase in tokens [first, end) of a sequence."""

    first: int
    end: int
    phrase: Phrase


@dataclass(slots=True)
class _Node:
    children: dict[int, int]
    boost: float = 0.0  # of the last token: the highest of all phrases that go through it
    held: float = 0.0  # given on the way here, and not yet earned by a whole phrase
    bank: float = 0.0  # earned if a word ends here
    fail: int = ROOT  # the longest proper suffix that begins a phrase
    phrase: Phrase | None = None


class PhraseTrie:
    """States are node numbers; arrays of them are int64 (rows,). Immutable once built, so batches may share one."""

    def __init__(self, phrases: Iterable[Phrase], ends_word: BoolArray) -> None:
        """`ends_word` (vocabulary,): behind a word, this token means that the word is over; the end token does."""
        self._ends_word = ends_word
        self._nodes = [_Node({})]
        for phrase in phrases:
            self._insert(phrase)
        edges = self._link()
        self._held = np.array([node.held for node in self._nodes], np.float32)
        self._bank = np.array([node.bank for node in self._nodes], np.float32)
        self._index(edges)

    @property
    def is_empty(self) -> bool:
        return len(self._nodes) == 1

    def start(self, rows: int) -> IntArray:
        """The states before the first token."""
        return np.full(rows, ROOT, np.int64)

    def wanted(self, states: IntArray) -> IntArray:
        """Tokens that a phrase begins or goes on with: int64 (rows, n), repeating itself where a row has fewer."""
        counts = self._last[states] - self._first[states]
        places = self._first[states, None] + np.arange(counts.max(initial=0))[None]
        inside = places < self._last[states, None]
        own = np.where(inside, self._tokens[np.minimum(places, len(self._tokens) - 1)], self._roots[0])
        return np.concatenate([np.broadcast_to(self._roots, (len(states), len(self._roots))), own], axis=1)

    def amounts(self, states: IntArray, tokens: IntArray) -> FloatArray:
        """What each of `tokens` (rows, n) is worth behind its row's state: float32 (rows, n)."""
        worth: FloatArray = self._root_amounts[tokens]
        inside = np.flatnonzero(states != ROOT)  # few: most hypotheses are in no phrase, most of the time
        if len(inside):
            worth[inside] = self._amounts_inside(states[inside, None], tokens[inside], worth[inside])
        return worth

    def _amounts_inside(self, states: IntArray, tokens: IntArray, beginnings: FloatArray) -> FloatArray:
        """`beginnings`: what the tokens are worth where no phrase is broken off by them."""
        elsewhere = beginnings - self._held[states] + np.where(self._ends_word[tokens], self._bank[states], 0.0)
        places, found = self._find(states, tokens)
        return np.where(found, self._amounts[places], elsewhere).astype(np.float32)

    def add_to(self, scores: FloatArray, states: IntArray) -> None:
        """Add to the scores of the whole vocabulary, (rows, vocabulary), in place."""
        wanted = self.wanted(states)
        scores_of_wanted = np.take_along_axis(scores, wanted, axis=1) + self.amounts(states, wanted)
        if self._held[states].any():
            scores -= self._held[states, None]
            scores += self._bank[states, None] * self._ends_word[None]
        np.put_along_axis(scores, wanted, scores_of_wanted, axis=1)

    def advance(self, states: IntArray, tokens: IntArray) -> IntArray:
        """The states behind `tokens` (rows,)."""
        places, found = self._find(states, tokens)
        return np.where(found, self._targets[places], self._root_targets[tokens])

    def final_amounts(self, states: IntArray) -> FloatArray:
        """What an end without an end token is worth: float32 (rows,)."""
        return self._bank[states] - self._held[states]

    def matches(self, tokens: Sequence[int]) -> list[Match]:
        """The whole phrases in a sequence from left to right, each the longest that begins there; none overlap."""
        found: list[Match] = []
        place = 0
        while place < len(tokens):
            match = self._match_at(tokens, place)
            if match is not None:
                found.append(match)
            place = match.end if match else place + 1
        return found

    def _match_at(self, tokens: Sequence[int], first: int) -> Match | None:
        longest, node = None, self._nodes[ROOT]
        for place in range(first, len(tokens)):
            child = node.children.get(tokens[place])
            if child is None:
                break
            node = self._nodes[child]
            is_word_end = place + 1 == len(tokens) or self._ends_word[tokens[place + 1]]
            if node.phrase and is_word_end:
                longest = Match(first, place + 1, node.phrase)
        return longest

    def _insert(self, phrase: Phrase) -> None:
        node = self._nodes[ROOT]
        for token in phrase.tokens:
            if token not in node.children:
                node.children[token] = len(self._nodes)
                self._nodes.append(_Node({}))
            node = self._nodes[node.children[token]]
            node.boost = max(node.boost, phrase.boost)
        if phrase.tokens and node.phrase is None:  # the first to claim a spelling keeps it
            node.phrase = phrase

    def _link(self) -> list[dict[int, int]]:
        """Fill `held`, `bank` and `fail` breadth first. Returns where each node goes, the root's own edges aside."""
        edges: list[dict[int, int]] = [{} for _ in self._nodes]
        queue = deque([ROOT])
        while queue:
            index = queue.popleft()
            node = self._nodes[index]
            if index != ROOT:
                edges[index] = {**edges[node.fail], **node.children}
                node.bank = node.held if node.phrase else self._nodes[node.fail].bank
            for token, child in node.children.items():
                self._link_child(index, token, edges)
                queue.append(child)
        return edges

    def _link_child(self, index: int, token: int, edges: Sequence[Mapping[int, int]]) -> None:
        node = self._nodes[index]
        child = self._nodes[node.children[token]]
        is_earned = node.phrase is not None and self._ends_word[token]
        child.held = child.boost + (0.0 if is_earned else node.held)
        if index != ROOT:
            child.fail = edges[node.fail].get(token, self._nodes[ROOT].children.get(token, ROOT))

    def _index(self, edges: Sequence[Mapping[int, int]]) -> None:
        """Edges as sorted arrays by state and token; the root's as arrays over the vocabulary."""
        vocabulary = len(self._ends_word)
        flat = sorted((state, token, target) for state, leads in enumerate(edges) for token, target in leads.items())
        # A last edge that no state has: a search may end on it, and an empty trie still has something to look at.
        columns = np.array([*flat, (len(self._nodes), 0, ROOT)], np.int64)
        self._tokens, self._targets = columns[:, 1], columns[:, 2]
        self._keys = columns[:, 0] * vocabulary + columns[:, 1]
        self._amounts = np.array([*(self._amount(*edge) for edge in flat), 0.0], np.float32)
        self._first = np.searchsorted(columns[:, 0], np.arange(len(self._nodes)), side="left")
        self._last = np.searchsorted(columns[:, 0], np.arange(len(self._nodes)), side="right")
        roots = self._nodes[ROOT].children
        self._roots = np.array(sorted(roots) or [0], np.int64)
        self._root_targets = np.zeros(vocabulary, np.int64)
        self._root_amounts = np.zeros(vocabulary, np.float32)
        for token, child in roots.items():
            self._root_targets[token] = child
            self._root_amounts[token] = self._nodes[child].boost

    def _amount(self, state: int, token: int, target: int) -> float:
        node, following = self._nodes[state], self._nodes[target]
        goes_on = node.children.get(token) == target and node.phrase is None
        bank = node.bank if self._ends_word[token] and not goes_on else 0.0
        return following.held - node.held + bank

    def _find(self, states: IntArray, tokens: IntArray) -> tuple[IntArray, BoolArray]:
        wanted = states * len(self._ends_word) + tokens
        places = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        return places, self._keys[places] == wanted
