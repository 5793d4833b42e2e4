"""Phrases that are easier to hear, in greedy decoding.

After "TurboBias: Universal ASR Context-Biasing powered by GPU-accelerated Phrase-Boosting Tree" (Andrusenko, Bataev et
al., arXiv 2508.07014): whether something is said at a frame is the model's own decision, and a phrase only has a voice
in what it is. So no boost makes a token where the blank is ahead, and times and durations stay the model's.
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from stenod_models.decoding.hotwords import PhraseTrie
from stenod_models.families.parakeet.joint_scores import Head, ScoringTransducer, probabilities_of
from stenod_models.families.parakeet.label_looping import Choices, FloatArray, Int64Array


class FavouringTransducer:
    """A label_looping.Transducer; each row has its place in the trie."""

    def __init__(self, transducer: ScoringTransducer, head: Head, trie: PhraseTrie, *, rows: int) -> None:
        self._transducer = transducer
        self._head = head
        self._trie = trie
        self._states = trie.start(rows)

    def predict(self, rows: Int64Array, tokens: Int64Array) -> None:
        is_label = tokens != self._head.blank
        labelled = rows[is_label]
        self._states[labelled] = self._trie.advance(self._states[labelled], tokens[is_label])
        self._transducer.predict(rows, tokens)

    def join(self, rows: Int64Array, frames: Int64Array) -> Choices:
        logits = self._transducer.score(rows, frames)
        choices = self._head.choices(logits)
        labelled = np.flatnonzero(choices.tokens != self._head.blank)
        if not len(labelled):
            return choices
        scores = self._head.tokens_of(logits)[labelled]
        favoured = scores.copy()
        self._trie.add_to(favoured, self._states[rows[labelled]])
        favoured[:, self._head.blank] = -np.inf
        choices.tokens[labelled] = favoured.argmax(axis=1)
        choices.probabilities[labelled] = probabilities_of(scores, choices.tokens[labelled])
        return choices


def favoured_frames(
    tokens: npt.NDArray[np.int64], scores: FloatArray, trie: PhraseTrie, blank: int
) -> npt.NDArray[np.int64]:
    """Of a CTC model: each frame's token, given the likeliest ones (frames,) and all scores (frames, vocabulary).

    A run of frames with one token is one label: it is chosen anew as a whole, by its frames' mean score. The label of
    the run right before it, which would only make that one longer, is worth neither more nor less than without phrases.
    """
    chosen = tokens.copy()
    edges = [0, *(np.flatnonzero(np.diff(tokens)) + 1), len(tokens)]
    states, before = trie.start(1), blank
    for start, end in pairwise(edges):
        if start == end or tokens[start] == blank:
            before = blank
            continue
        mean = scores[start:end].mean(axis=0, dtype=np.float64).astype(np.float32)[None]
        favoured = mean.copy()
        trie.add_to(favoured, states)
        favoured[0, before] = mean[0, before]
        favoured[0, blank] = -np.inf
        label = int(favoured.argmax())
        chosen[start:end] = label
        if label != before:
            states = trie.advance(states, np.array([label]))
        before = label
    return chosen
