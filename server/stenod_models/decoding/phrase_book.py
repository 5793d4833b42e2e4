"""Hotwords as one model writes them, ready to be searched with."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final

from stenod_models.contract import Hotword
from stenod_models.decoding.hotwords import PhraseTrie
from stenod_models.decoding.spellings import ends_word_of, phrases_of

_KEPT_TRIES: Final = 8  # a job's windows come with the same hotwords: their trie is built once


class PhraseBook:
    """`texts` is what each token spells, as for `ends_word_of`; `tokenise` is as for `phrases_of`."""

    def __init__(self, texts: Iterable[str], tokenise: Callable[[str], Iterable[Sequence[int]]]) -> None:
        self._tokenise = tokenise
        self._ends_word = ends_word_of(texts)
        self.trie_of = lru_cache(maxsize=_KEPT_TRIES)(self._build)

    def _build(self, hotwords: tuple[Hotword, ...]) -> PhraseTrie:
        return PhraseTrie(phrases_of(hotwords, self._tokenise), self._ends_word)
