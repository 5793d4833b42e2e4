"""What a job asks of the recogniser beyond its language: the task, words to listen for, a beam, a prompt."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DEFAULT_BOOST: Final = 2.0


class Task(StrEnum):
    """What is done with the speech."""

    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"  # into English


class Option(StrEnum):
    """What not every recogniser can do. The value is the name of the field of `Decoding`."""

    TASK = "task"
    VOCABULARY = "vocabulary"
    BEAM_SIZE = "beam_size"
    PROMPT = "prompt"
    MARK_BIAS = "mark_bias"


@dataclass(frozen=True, slots=True)
class VocabularyEntry:
    """A word or phrase to listen for. `sounds_like` are other spellings of what is heard, written as `content` where
    they are. `boost` is what each token of the phrase gains in log-probability, above 0.
    """

    content: str
    sounds_like: tuple[str, ...] = ()
    boost: float = DEFAULT_BOOST


@dataclass(frozen=True, slots=True)
class Hint:
    """An option that its caller would rather have than not: where the recogniser cannot, a warning names `field`."""

    option: Option
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """The same for all windows of a job. `beam_size` 1 is greedy. `mark_bias` is what a mark of punctuation gains in
    log-probability. What `hints` does not name must be honoured.
    """

    task: Task = Task.TRANSCRIBE
    vocabulary: tuple[VocabularyEntry, ...] = ()
    beam_size: int = 1
    prompt: str = ""
    mark_bias: float = 0.0
    hints: tuple[Hint, ...] = ()

    def without(self, *options: Option) -> "Decoding":
        """These as nobody's wish, and no hints."""
        kept = {option.value: getattr(self, option) for option in Option if option not in options}
        return Decoding(**kept)

    @property
    def asked(self) -> "Decoding":
        """What must be honoured."""
        return self.without(*(hint.option for hint in self.hints))
