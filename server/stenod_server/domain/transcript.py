"""What a job gives: words, segments, and the facts about the whole."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from stenod_server.domain.audio import to_seconds

LANGUAGE_UNCERTAIN: Final = "LANGUAGE_UNCERTAIN"  # the reason of a warning that a form of the transcript has words for


class WordTag(StrEnum):
    """What a word is, beside what it says."""

    DISFLUENCY = "disfluency"
    PROFANITY = "profanity"


@dataclass(frozen=True, slots=True)
class Word:
    """One text piece with its punctuation. Offsets are samples from the start of the file; `0 <= start <= end`.

    `volume` is how loud it was said, 0 to 100; None where nobody measured.
    """

    text: str
    start_samples: int
    end_samples: int
    confidence: float
    language: str = ""
    channel: str = ""
    speaker: str = ""
    volume: float | None = None
    tags: tuple[WordTag, ...] = ()

    def at(self, start_samples: int, end_samples: int) -> "Word":
        """The same at another time: as `dataclasses.replace`, at a third of its cost, for every word comes by here."""
        return Word(
            self.text,
            start_samples,
            end_samples,
            self.confidence,
            self.language,
            self.channel,
            self.speaker,
            self.volume,
            self.tags,
        )

    @property
    def start_s(self) -> float:
        return to_seconds(self.start_samples)

    @property
    def end_s(self) -> float:
        return to_seconds(self.end_samples)


@dataclass(frozen=True, slots=True)
class Entity:
    """Words of a segment that are written in another way than they were spoken: `word_count` of them from `first_word`
    on. `kind` is the class, as `money`; `spoken` are the words as they were said, with their own times.
    """

    kind: str
    first_word: int
    word_count: int
    spoken: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """Words said in one breath by one speaker on one channel. `index` counts from 0 in order of time.

    `entities` are in order and share no word.
    `final` is False for a segment shown while its job runs: labels and formatting may still change.
    """

    index: int
    words: tuple[Word, ...]
    language: str = ""
    channel: str = ""
    speaker: str = ""
    final: bool = True
    entities: tuple[Entity, ...] = ()

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def start_samples(self) -> int:
        return self.words[0].start_samples

    @property
    def end_samples(self) -> int:
        return self.words[-1].end_samples

    @property
    def start_s(self) -> float:
        return to_seconds(self.start_samples)

    @property
    def end_s(self) -> float:
        return to_seconds(self.end_samples)


@dataclass(frozen=True, slots=True)
class Warning:  # noqa: A001  the word the API uses
    """Something the caller should know of a job that did not fail. `reason` is UPPER_SNAKE and stable."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Speaker:
    """Somebody who is heard. `identifiers` of the voice, opaque, are to be given as KnownSpeaker in later jobs."""

    label: str
    identifiers: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class TranscriptInfo:
    """The facts about a whole transcript. `speakers` in order of appearance; `channels` are the labels of those that
    were recognised on their own. `from_cache`: it is a copy of an earlier job's.
    """

    duration_samples: int
    language: str
    language_confidence: float
    model: str
    speech_samples: int = 0
    windows: int = 0
    warnings: tuple[Warning, ...] = ()
    from_cache: bool = False
    speakers: tuple[Speaker, ...] = ()
    channels: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        return to_seconds(self.duration_samples)


@dataclass(frozen=True, slots=True)
class Transcript:
    """A transcript held whole; long ones are streamed segment by segment instead."""

    job_id: str
    info: TranscriptInfo
    segments: tuple[Segment, ...] = field(default=())
