"""What a language model of words thinks of tokens: a decoding.beam.Fusion.

Words are scored when they are over, that is by the token that begins the next one or ends the text, as in "Deep
Speech" (Hannun et al., 2014): log P(acoustic) + weight * log P(language) + word_bonus per word. Marks around a word
are no part of it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from stenod_models.language_model.ngrams import History, NgramModel

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

_LN_10: Final = log(10)
_KEPT_SCORES: Final = 65_536

# The history before the word that is being written, and that word's tokens so far.
_State: TypeAlias = tuple[History, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageModelUse:
    """`weight` is of the model's natural log-probabilities; `word_bonus` is added per word, negative as a penalty.

    `beam_size` is the least beam: a greedy search never asks what comes next, so who asks for less gets this.
    """

    weight: float = 0.5
    word_bonus: float = 0.0
    beam_size: int = 5

    def __post_init__(self) -> None:
        if self.beam_size < 2:
            raise ValueError(f"beam_size {self.beam_size} is below 2: a language model counts in a beam alone")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WordPieces:
    """How a family's tokens make words. `opens_word` is bool (vocabulary,)."""

    opens_word: BoolArray
    end_token: int
    spell: Callable[[Sequence[int]], str]


def opens_word_of(texts: Iterable[str]) -> BoolArray:
    """For each token whether it begins a word: `texts` are what tokens spell, a space first where a word begins."""
    return np.array([text.startswith(" ") for text in texts], np.bool_)


class LanguageModelFusion:
    def __init__(self, model: NgramModel, pieces: WordPieces, use: LanguageModelUse) -> None:
        self.use = use
        self._model = model
        self._pieces = pieces
        self._over = lru_cache(maxsize=_KEPT_SCORES)(self._score_over)
        self._end = lru_cache(maxsize=_KEPT_SCORES)(self._score_end)

    def start(self, rows: int) -> npt.NDArray[np.object_]:
        return _states([(self._model.begin, ())] * rows)

    def wanted(self, states: npt.NDArray[Any]) -> IntArray:
        return np.zeros((len(states), 0), np.int64)

    def amounts(self, states: npt.NDArray[Any], tokens: IntArray) -> FloatArray:
        over = np.array([[self._over(*state)[0]] for state in states], np.float32)
        ended = np.array([[self._end(*state)] for state in states], np.float32)
        worth = np.where(self._pieces.opens_word[tokens], over, np.float32(0))
        return np.where(tokens == self._pieces.end_token, ended, worth)

    def advance(self, states: npt.NDArray[Any], tokens: IntArray) -> npt.NDArray[np.object_]:
        return _states([self._behind(state, int(token)) for state, token in zip(states, tokens, strict=True)])

    def final_amounts(self, states: npt.NDArray[Any]) -> FloatArray:
        """The last word counts, but it is not known that the sentence ends there."""
        return np.array([self._over(*state)[0] for state in states], np.float32)

    def _behind(self, state: _State, token: int) -> _State:
        history, written = state
        if token == self._pieces.end_token:
            return state
        return (
            (self._over(history, written)[1], (token,))
            if self._pieces.opens_word[token]
            else (history, (*written, token))
        )

    def _score_over(self, history: History, written: tuple[int, ...]) -> tuple[float, History]:
        """What the word is worth if it is over, and the history behind it."""
        word = _without_marks(self._pieces.spell(written)) if written else ""
        if not word:
            return 0.0, history
        log10, behind = self._model.score(history, word)
        return self.use.weight * log10 * _LN_10 + self.use.word_bonus, behind

    def _score_end(self, history: History, written: tuple[int, ...]) -> float:
        worth, behind = self._over(history, written)
        return worth + self.use.weight * self._model.score_end(behind) * _LN_10


def _states(values: Sequence[_State]) -> npt.NDArray[np.object_]:
    states = np.empty(len(values), np.object_)
    for row, value in enumerate(values):  # numpy would take a list of pairs for a table
        states[row] = value
    return states


def _without_marks(word: str) -> str:
    letters = [place for place, character in enumerate(word) if character.isalnum()]
    return word[letters[0] : letters[-1] + 1] if letters else ""
