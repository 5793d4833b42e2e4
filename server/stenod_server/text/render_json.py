"""The `json` rendering, which is complete; times in seconds from the start of the file, rounded to the millisecond.

    {"job_id", "language", "language_confidence", "model", "duration", "speech_duration", "window_count",
     "from_cache", "channels", "warnings",
     "segments": [{"start", "end", "text", "speaker", "channel", "language", "confidence", "utterance", "paragraph",
                   "words": [{"text", "start", "end", "confidence", "language", "speaker", "channel", "volume",
                              "tags"}],
                   "entities": [{"kind", "first_word", "word_count", "text", "spoken": [word, …]}]}],
     "utterances": [{"start", "end", "speaker", "channel", "confidence", "first_segment", "segment_count"}],
     "paragraphs": [the same],
     "speakers": [{"label", "identifiers"}], "text"}

What is not known (no language without speech, no speaker without diarization, no volume where nobody measured) is null.
What stands behind the segments is known only then: the text and the turns are held until the end, about 60 kB for an
hour of speech. Each segment is one line, so that the file can also be read with line tools.
"""

import json
from dataclasses import dataclass
from typing import Any

from stenod_server.domain.audio import to_seconds
from stenod_server.domain.diarization import UNKNOWN_SPEAKER
from stenod_server.domain.transcript import Entity, Segment, Speaker, TranscriptInfo, Word
from stenod_server.text.turns import Turns, mean_confidence


@dataclass(slots=True)
class _Stretch:
    """An utterance or a paragraph, as far as it is known."""

    speaker: str
    channel: str
    first_segment: int
    start_samples: int
    end_samples: int = 0
    segment_count: int = 0
    said_samples: int = 0
    weighed_confidence: float = 0.0

    def take(self, segment: Segment, confidence: float) -> None:
        samples = max(1, sum(word.end_samples - word.start_samples for word in segment.words))
        self.end_samples = max(self.end_samples, segment.end_samples)
        self.segment_count += 1
        self.said_samples += samples
        self.weighed_confidence += confidence * samples

    def as_json(self) -> dict[str, Any]:
        return {
            "start": _seconds(to_seconds(self.start_samples)),
            "end": _seconds(to_seconds(self.end_samples)),
            "speaker": self.speaker or None,
            "channel": self.channel or None,
            "confidence": _ratio(self.weighed_confidence / self.said_samples),
            "first_segment": self.first_segment,
            "segment_count": self.segment_count,
        }


class JsonRenderer:
    """Writes segments as they come."""

    def __init__(self, job_id: str, info: TranscriptInfo) -> None:
        head = _members(
            job_id=job_id,
            language=info.language or None,
            language_confidence=_ratio(info.language_confidence),
            model=info.model or None,
            duration=_seconds(info.duration_s),
            speech_duration=_seconds(to_seconds(info.speech_samples)),
            window_count=info.windows,
            from_cache=info.from_cache,
            channels=list(info.channels),
            warnings=[{"reason": warning.reason, "message": warning.message} for warning in info.warnings],
        )
        self._head = f'{{{head}, "segments": ['
        self._texts: list[str] = []
        self._speakers = {speaker.label: speaker for speaker in info.speakers}
        self._turns = Turns()
        self._utterances: list[_Stretch] = []
        self._paragraphs: list[_Stretch] = []

    def start(self) -> str:
        return self._head

    def feed(self, segment: Segment) -> str:
        separator = "," if self._texts else ""
        for word in segment.words:
            label = word.speaker or segment.speaker
            if label not in {"", UNKNOWN_SPEAKER}:
                self._speakers.setdefault(label, Speaker(label))
        turn, confidence = self._turns.place(segment), mean_confidence(segment.words)
        for stretches, place in ((self._utterances, turn.utterance), (self._paragraphs, turn.paragraph)):
            if place == len(stretches):
                start = segment.speaker, segment.channel, len(self._texts), segment.start_samples
                stretches.append(_Stretch(*start))
            stretches[place].take(segment, confidence)
        self._texts.append(segment.text)
        placed = {"confidence": _ratio(confidence), "utterance": turn.utterance, "paragraph": turn.paragraph}
        return f"{separator}\n{_dump(_segment(segment, placed))}"

    def finish(self) -> str:
        tail = _members(
            utterances=[stretch.as_json() for stretch in self._utterances],
            paragraphs=[stretch.as_json() for stretch in self._paragraphs],
            speakers=[
                {"label": speaker.label, "identifiers": list(speaker.identifiers)}
                for speaker in self._speakers.values()
            ],
            text=" ".join(self._texts),
        )
        return f"\n], {tail}}}\n"


def _segment(segment: Segment, placed: dict[str, Any]) -> dict[str, Any]:
    return {
        "start": _seconds(segment.start_s),
        "end": _seconds(segment.end_s),
        "text": segment.text,
        "speaker": segment.speaker or None,
        "channel": segment.channel or None,
        "language": segment.language or None,
        **placed,
        "words": [_word(word, segment) for word in segment.words],
        "entities": [_entity(entity, segment) for entity in segment.entities],
    }


def _word(word: Word, segment: Segment) -> dict[str, Any]:
    return {
        "text": word.text,
        "start": _seconds(word.start_s),
        "end": _seconds(word.end_s),
        "confidence": _ratio(word.confidence),
        "language": word.language or segment.language or None,
        "speaker": word.speaker or segment.speaker or None,
        "channel": word.channel or segment.channel or None,
        "volume": None if word.volume is None else round(word.volume, 2),
        "tags": [str(tag) for tag in word.tags],
    }


def _entity(entity: Entity, segment: Segment) -> dict[str, Any]:
    written = segment.words[entity.first_word : entity.first_word + entity.word_count]
    return {
        "kind": entity.kind,
        "first_word": entity.first_word,
        "word_count": entity.word_count,
        "text": " ".join(word.text for word in written),
        "spoken": [_word(word, segment) for word in entity.spoken],
    }


def _members(**fields: Any) -> str:
    return ", ".join(f"{_dump(key)}: {_dump(value)}" for key, value in fields.items())


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _seconds(seconds: float) -> float:
    return round(seconds, 3)


def _ratio(ratio: float) -> float:
    return round(ratio, 4)
