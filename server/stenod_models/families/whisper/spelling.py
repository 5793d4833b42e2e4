"""From tokens to words, after `split_to_word_tokens` and `merge_punctuations` of openai/whisper.

A token that begins with a blank begins a word; in languages written without blanks every complete character does.
Closing punctuation joins the word before it, opening punctuation the word behind it.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from stenod_models.decoding.spellings import Span
from stenod_models.families.whisper.vocabulary import Vocabulary

_WITHOUT_BLANKS: Final = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
_CLOSING: Final = frozenset("'\".。,，!！?？:：;；”’)]}、…%»")  # noqa: RUF001 - full-width marks are meant
_OPENING: Final = frozenset("\"'“‘¿¡([{-«")  # noqa: RUF001
_REPLACEMENT: Final = "\ufffd"


def text_of(vocabulary: Vocabulary, tokens: Sequence[int]) -> str:
    """Bytes that are not UTF-8 become �."""
    return b"".join(map(vocabulary.bytes_of, tokens)).decode("utf-8", "replace")


def token_texts(vocabulary: Vocabulary, size: int) -> list[str]:
    """What each of `size` tokens spells; of bytes that are a part of a character only, that they end no word."""
    return [text_of(vocabulary, [token]).replace(_REPLACEMENT, "x") for token in range(size)]


def words_of(vocabulary: Vocabulary, tokens: Sequence[int], language: str) -> list[Span]:
    """Words without blanks at their ends, none empty, their token spans ascending."""
    spans = _characters if language in _WITHOUT_BLANKS else _between_blanks
    words: list[Span] = []
    opening = ""
    opened_at = 0
    for first, last in spans(vocabulary, tokens):
        text = "".join(text_of(vocabulary, tokens[first : last + 1]).split())
        if not text:
            continue
        # A quotation mark opens behind a blank and closes elsewhere.
        opens = set(text) <= _OPENING and last + 1 < len(tokens)
        if words and not opening and set(text) <= _CLOSING and not (opens and _has_blank(vocabulary, tokens[first])):
            words[-1] = Span(words[-1].text + text, words[-1].first, last)
        elif opens:
            opened_at = opened_at if opening else first
            opening += text
        else:
            words.append(Span(opening + text, opened_at if opening else first, last))
            opening = ""
    if opening and words:
        words[-1] = Span(words[-1].text + opening, words[-1].first, len(tokens) - 1)
    return words


def _has_blank(vocabulary: Vocabulary, token: int) -> bool:
    return vocabulary.bytes_of(token)[:1] == b" "


def _between_blanks(vocabulary: Vocabulary, tokens: Sequence[int]) -> Iterator[tuple[int, int]]:
    starts = [place for place, token in enumerate(tokens) if place == 0 or _has_blank(vocabulary, token)]
    for start, following in zip(starts, [*starts[1:], len(tokens)], strict=True):
        yield start, following - 1


def _characters(vocabulary: Vocabulary, tokens: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Tokens up to where their bytes are complete characters again."""
    start = 0
    for place in range(len(tokens)):
        if _REPLACEMENT not in text_of(vocabulary, tokens[start : place + 1]) or place + 1 == len(tokens):
            yield start, place
            start = place + 1
