"""Turns → labels of words. Pure and streaming: holds a few words, however long the transcript is.

A word is of the speaker who talks for most of it; where nobody does, of the nearest turn. Words that are written as one
(an entity) have one speaker. A draft ends where the speaker changes.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Final

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.diarization import UNKNOWN_SPEAKER
from stenod_server.domain.transcript import Entity, Segment, Word
from stenod_server.speakers.turns import SpeakerTurns, Turn

_NEAR_SAMPLES: Final = SAMPLE_RATE_HZ  # a turn further away says nothing of a word
_NOBODY: Final = -1


@dataclass(frozen=True, slots=True)
class _Smoothing:
    """So few words of somebody else, with pauses so short before and behind, are of the speaker around them."""

    words: int
    breath_samples: int


_LONE_WORD: Final = _Smoothing(1, round(0.3 * SAMPLE_RATE_HZ))
_PREFER_CURRENT: Final = _Smoothing(3, SAMPLE_RATE_HZ)


@dataclass(slots=True)
class _Piece:
    """Words with one speaker: one word, or those of an entity. `draft` is the segment they are of, the `number`th."""

    number: int
    draft: Segment
    words: Sequence[Word]
    entity: Entity | None
    speaker: int = _NOBODY

    @property
    def start_samples(self) -> int:
        return self.words[0].start_samples

    @property
    def end_samples(self) -> int:
        return max(word.end_samples for word in self.words)


def labelled(segments: Iterable[Segment], turns: SpeakerTurns, *, prefer_current: bool) -> Iterator[Segment]:
    """Drafts in order of time → final segments of one speaker each, numbered from 0. No word is lost, doubled or moved.

    `prefer_current`: a few words of another speaker between those of one are taken for a mistake, too.
    """
    told = _told(_pieces(segments), turns.turns)
    smooth = _smoothed(told, _PREFER_CURRENT if prefer_current else _LONE_WORD)
    labels = [speaker.label for speaker in turns.speakers]
    for index, (_of, group) in enumerate(groupby(smooth, lambda piece: (piece.number, piece.speaker))):
        pieces = list(group)
        speaker = pieces[0].speaker
        yield _segment(pieces, UNKNOWN_SPEAKER if speaker == _NOBODY else labels[speaker], index)


def _pieces(segments: Iterable[Segment]) -> Iterator[_Piece]:
    for number, draft in enumerate(segments):
        entities = {entity.first_word: entity for entity in draft.entities}
        place = 0
        while place < len(draft.words):
            entity = entities.get(place)
            until = place + (entity.word_count if entity else 1)
            yield _Piece(number, draft, draft.words[place:until], entity)
            place = until


def _told(pieces: Iterable[_Piece], turns: Sequence[Turn]) -> Iterator[_Piece]:
    """With the speaker of each by the turns around it."""
    around: list[Turn] = []
    following = iter(turns)
    ahead = next(following, None)
    speaker = _NOBODY
    for piece in pieces:
        while ahead is not None and ahead.start_samples <= piece.end_samples + _NEAR_SAMPLES:
            around.append(ahead)
            ahead = next(following, None)
        around = [turn for turn in around if turn.end_samples >= piece.start_samples - _NEAR_SAMPLES]
        speaker = piece.speaker = _speaker_of(piece, around, current=speaker)
        yield piece


def _speaker_of(piece: _Piece, around: Iterable[Turn], *, current: int) -> int:
    """Who talks for most of it, or is nearest. Of two who talk alike, the one who has the word keeps it."""
    shared: dict[int, int] = {}
    distance: dict[int, int] = {}
    for turn in around:
        samples = min(turn.end_samples, piece.end_samples) - max(turn.start_samples, piece.start_samples)
        if -samples > _NEAR_SAMPLES:
            continue
        shared[turn.speaker] = shared.get(turn.speaker, 0) + max(samples, 0)
        distance[turn.speaker] = min(distance.get(turn.speaker, _NEAR_SAMPLES), -samples)
    return max(shared, key=lambda speaker: (shared[speaker], -distance[speaker], speaker == current), default=_NOBODY)


def _smoothed(pieces: Iterator[_Piece], rules: _Smoothing) -> Iterator[_Piece]:
    """Each is settled when as many behind it are known as `rules` let be smoothed."""
    before: _Piece | None = None
    waiting: deque[_Piece] = deque(islice(pieces, rules.words + 1))
    while waiting:
        if before is not None:
            _settle(before, waiting, rules)
        before = waiting.popleft()
        yield before
        waiting.extend(islice(pieces, 1))


def _settle(before: _Piece, waiting: Sequence[_Piece], rules: _Smoothing) -> None:
    """Give the first of those that wait to the speaker before them, where that one goes on soon."""
    if before.speaker in (_NOBODY, waiting[0].speaker):
        return
    last, words = before, 0
    for place, piece in enumerate(waiting):
        if piece.start_samples - last.end_samples > rules.breath_samples:
            return
        if piece.speaker == before.speaker:
            for other in islice(waiting, place):
                other.speaker = before.speaker
            return
        words += len(piece.words)
        if words > rules.words:
            return
        last = piece


def _segment(pieces: Sequence[_Piece], label: str, index: int) -> Segment:
    words: list[Word] = []
    entities: list[Entity] = []
    for piece in pieces:
        if piece.entity is not None:
            spoken = tuple(replace(word, speaker=label) for word in piece.entity.spoken)
            entities.append(replace(piece.entity, first_word=len(words), spoken=spoken))
        words += (replace(word, speaker=label) for word in piece.words)
    return replace(
        pieces[0].draft, index=index, words=tuple(words), speaker=label, final=True, entities=tuple(entities)
    )
