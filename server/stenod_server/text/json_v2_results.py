"""The results of a json-v2 transcript: words, marks of punctuation and entities, in order.

That order is of start and, of those that start together, the longest first. Times are in seconds from the start of the
file, to the millisecond. A mark stands at the end of its word. What follows begins at least a millisecond after what is
before it, so that the order of time is the order of reading.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final

from stenod_server.domain.diarization import UNKNOWN_SPEAKER
from stenod_server.domain.transcript import Entity, Segment, Word
from stenod_server.text.punctuation import is_sentence_end, split_marks
from stenod_server.text.turns import mean_confidence

UNKNOWN_LANGUAGE: Final = "und"


class Results:
    """Gives results as soon as no later segment can begin before them; held are those of the segments that overlap.

    `language` is that of words which say none.
    """

    def __init__(self, language: str) -> None:
        self._language = language
        self._order = count()
        self._waiting: list[tuple[int, int, int, Mapping[str, Any]]] = []  # a heap: start, longest first, as fed
        self._earliest_ms: dict[tuple[str, str], int] = {}  # by channel and speaker

    def feed(self, segment: Segment) -> Iterator[Mapping[str, Any]]:
        if not segment.words:
            return
        yield from self._release(before_ms=_ms(segment.start_s))
        units = list(_units(segment))
        following = [*(_text(words[0]) for words, _ in units[1:]), ""]
        for (words, entity), text in zip(units, following, strict=True):
            self._add(words, entity, segment, following=text)

    def finish(self) -> Iterator[Mapping[str, Any]]:
        yield from self._release(before_ms=None)

    def _release(self, before_ms: int | None) -> Iterator[Mapping[str, Any]]:
        while self._waiting and (before_ms is None or self._waiting[0][0] < before_ms):
            yield heapq.heappop(self._waiting)[-1]

    def _add(self, words: Sequence[Word], entity: Entity | None, segment: Segment, *, following: str) -> None:
        word = words[-1]
        *firsts, last = map(_text, words)
        end, marks = split_marks(last, following)
        texts = [*firsts, end] if end else firsts
        channel = word.channel or segment.channel
        said_by = (channel, word.speaker or segment.speaker)
        start_ms = max(_ms(words[0].start_s), self._earliest_ms.get(said_by, 0))
        end_ms = max(_ms(word.end_s), start_ms)
        if texts:
            result = self._entity(texts, words, entity, segment) if entity else {"type": "word"}
            result |= _volume(words) | self._alternative(" ".join(texts), words, segment)
            self._push(start_ms, end_ms, channel, result)
        for place, mark in enumerate(marks, start=1):
            result = {
                "type": "punctuation",
                "is_eos": place == _last_end(marks),
                "attaches_to": "previous" if texts else "none",
                **self._alternative(mark, [word], segment),
            }
            self._push(end_ms, end_ms, channel, result)
        self._earliest_ms[said_by] = (end_ms if marks else start_ms) + 1

    def _push(self, start_ms: int, end_ms: int, channel: str, said: dict[str, Any]) -> None:
        result: dict[str, Any] = {"type": said["type"], "start_time": start_ms / 1000, "end_time": end_ms / 1000}
        if channel:
            result["channel"] = channel
        heapq.heappush(self._waiting, (start_ms, -end_ms, next(self._order), result | said))

    def _entity(self, texts: Sequence[str], words: Sequence[Word], entity: Entity, segment: Segment) -> dict[str, Any]:
        """Both forms are of words alone: the marks behind the entity are results of their own."""
        spoken = [split_marks(text)[0] or text for text in map(_text, entity.spoken)]
        return {
            "type": "entity",
            "entity_class": entity.kind,
            "written_form": self._form(texts, words, segment),
            "spoken_form": self._form(spoken, entity.spoken, segment),
        }

    def _form(self, texts: Sequence[str], words: Sequence[Word], segment: Segment) -> list[dict[str, Any]]:
        return [
            {
                "type": "word",
                "start_time": _ms(word.start_s) / 1000,
                "end_time": _ms(word.end_s) / 1000,
                **self._alternative(text, [word], segment),
            }
            for text, word in zip(texts, words, strict=False)
        ]

    def _alternative(self, content: str, words: Sequence[Word], segment: Segment) -> dict[str, Any]:
        word = words[-1]
        alternative: dict[str, Any] = {
            "content": content,
            "confidence": round(mean_confidence(words), 4),
            "language": word.language or segment.language or self._language,
            "speaker": word.speaker or segment.speaker or UNKNOWN_SPEAKER,
        }
        if tags := list(dict.fromkeys(str(tag) for word in words for tag in word.tags)):
            alternative["tags"] = tags
        return {"alternatives": [alternative]}


def _units(segment: Segment) -> Iterator[tuple[Sequence[Word], Entity | None]]:
    """What is one result, but for its marks: a word, or the words of an entity."""
    place = 0
    for entity in segment.entities:
        for word in segment.words[place : entity.first_word]:
            yield [word], None
        place = entity.first_word + entity.word_count
        yield segment.words[entity.first_word : place], entity
    for word in segment.words[place:]:
        yield [word], None


def _text(word: Word) -> str:
    return " ".join(word.text.split())


def _volume(words: Sequence[Word]) -> dict[str, float]:
    measured = [word.volume for word in words if word.volume is not None]
    return {"volume": round(sum(measured) / len(measured), 2)} if measured else {}


def _last_end(marks: str) -> int:
    """The place of the last mark that ends a sentence, from 1; 0: none does."""
    return max((place for place, mark in enumerate(marks, start=1) if is_sentence_end(mark)), default=0)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
