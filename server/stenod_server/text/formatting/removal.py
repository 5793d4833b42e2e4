"""Words that are left out, and what stays of them: the end of their sentence, and the capital of its beginning."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from stenod_server.text.formatting.piece import Piece
from stenod_server.text.punctuation import ends_sentence, has_end, is_sentence_end, without_marks

_COMMAS: Final = ",;،、，；"  # noqa: RUF001  marks of other scripts


def removed(pieces: Sequence[Piece], goes: Callable[[Piece], bool]) -> list[Piece]:
    """`Um, I think` → `I think`; `I, um, think` → `I think`; `I think, um.` → `I think.`"""
    kept: list[Piece] = []
    lead, needs_capital = "", False
    for piece in pieces:
        if goes(piece):
            lead += _lead(piece.words[0].text)
            needs_capital |= _begins_sentence(piece, kept)
            _end_like(kept, piece)
            continue
        kept.append(_begun(piece, lead, needs_capital=needs_capital))
        lead, needs_capital = "", False
    return kept


def _lead(text: str) -> str:
    core = without_marks(text)
    return text.partition(core)[0] if core else ""


def _begins_sentence(piece: Piece, kept: Sequence[Piece]) -> bool:
    core = without_marks(piece.words[0].text)
    return core[:1].isupper() and (not kept or ends_sentence(kept[-1].words[-1].text, piece.words[0].text))


def _begun(piece: Piece, lead: str, *, needs_capital: bool) -> Piece:
    if not lead and not needs_capital:
        return piece
    first, *others = piece.words
    text = first.text
    if needs_capital and text.islower():
        text = text[:1].upper() + text[1:]
    return replace(piece, words=(replace(first, text=lead + text), *others))


def _end_like(kept: list[Piece], gone: Piece) -> None:
    """The last word that stays ends as the one that goes did."""
    if not kept:
        return
    before, last = kept[-1], kept[-1].words[-1]
    bare = last.text.rstrip(_COMMAS) or last.text
    trail = _trail(gone.words[-1].text)
    if any(map(is_sentence_end, trail)) and not ends_sentence(last.text, gone.words[0].text):
        ended = bare + (trail.lstrip(".") if has_end(bare) else trail)  # one point is enough behind `etc.`
    elif trail[:1] in _COMMAS and trail:
        ended = bare
    else:
        return
    kept[-1] = replace(before, words=(*before.words[:-1], replace(last, text=ended)))


def _trail(text: str) -> str:
    core = without_marks(text)
    return text.rpartition(core)[2] if core else text
