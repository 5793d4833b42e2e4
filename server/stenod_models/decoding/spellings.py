"""From hotwords to the tokens a model may write them with, and from what was heard to what shall be written."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stenod_models.contract import Hotword
from stenod_models.decoding.hotwords import BoolArray, Match, Phrase


@dataclass(frozen=True, slots=True)
class Span:
    """`text` without spaces, spelled by tokens [first, last], both included."""

    text: str
    first: int
    last: int


def phrases_of(hotwords: Iterable[Hotword], tokenise: Callable[[str], Iterable[Sequence[int]]]) -> list[Phrase]:
    """Every spelling of every hotword; what a hotword itself looks like goes before what others sound like.

    `tokenise` gives the ways to write a text as it stands inside a sentence, its word boundary included: one for most
    tokenizers, more where a sentence begins without a boundary.
    """
    spellings = [(hotword, *spelling) for hotword in hotwords for spelling in _spellings(hotword)]
    spellings.sort(key=lambda spelling: bool(spelling[2]))
    return [
        Phrase(tuple(tokens), hotword.boost, heard, written)
        for hotword, heard, written in spellings
        if heard
        for tokens in tokenise(heard)
    ]


def _spellings(hotword: Hotword) -> Iterator[tuple[str, str]]:
    """(heard, written) pairs; `written` is empty where what is heard may stay as it is.

    A capital more is what the first word of a sentence has; a capital less is a mistake.
    """
    text = " ".join(hotword.text.split())
    yield text, ""
    yield _capitalised(text), ""
    yield text.lower(), "" if text == text.lower() else text
    for heard in (" ".join(form.split()) for form in hotword.sounds_like):
        yield heard, text
        yield heard.lower(), text
        yield _capitalised(heard), text if heard == _capitalised(heard) else _capitalised(text)


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def ends_word_of(texts: Iterable[str]) -> BoolArray:
    """For each token of a vocabulary whether it ends the word before it: bool (vocabulary,).

    `texts` are what the tokens spell, a space first where they begin a word, empty for tokens that are no text.
    """
    return np.array([not text or _is_apart(text[0]) for text in texts], np.bool_)


def _is_apart(character: str) -> bool:
    """Whether words of letters end before it; in the scripts that put no spaces between words, any letter may."""
    unspaced = "\u0e00" <= character <= "\u0eff" or "\u3040" <= character <= "\u9fff"
    return unspaced or not character.isalnum()


def respelled(words: Sequence[Span], matches: Iterable[Match]) -> list[Span]:
    """The words as they shall be written: `matches` are of the sequence that the words' spans count in.

    What stands behind the phrase in its last word ("'s", a comma) is kept. More or fewer words than were heard share
    their tokens evenly.
    """
    changed = list(words)
    for match in reversed([match for match in matches if match.phrase.written]):
        covered = [index for index, word in enumerate(changed) if match.first <= word.last and word.first < match.end]
        if covered:
            first, last = covered[0], covered[-1] + 1
            changed[first:last] = _rewritten(changed[first:last], match.phrase)
    return changed


def _rewritten(heard: Sequence[Span], phrase: Phrase) -> list[Span]:
    spoken, texts = phrase.heard.split(), phrase.written.split()
    tail = heard[-1].text.removeprefix(spoken[-1]) if spoken and heard[-1].text.startswith(spoken[-1]) else ""
    texts[-1] += tail
    if len(texts) == len(heard):
        return [Span(text, span.first, span.last) for text, span in zip(texts, heard, strict=True)]
    first, tokens = heard[0].first, heard[-1].last + 1 - heard[0].first
    places = [first + index * tokens // len(texts) for index in range(len(texts) + 1)]
    return [Span(text, begin, max(begin, end - 1)) for text, begin, end in zip(texts, places, places[1:], strict=False)]
