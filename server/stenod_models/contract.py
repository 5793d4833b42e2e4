"""The tensor contract between the server and every recogniser, and the profile a recogniser publishes.

Every recogniser takes and gives the same tensors, so families are interchangeable. A test compares these
constants with each `model_repository/*/config.pbtxt`. Requests and outputs carry a leading batch axis of 1:
`[1, L]` in, `[1, N]` out.
"""

import json
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, Final, Self

SAMPLE_RATE_HZ: Final = 16_000

# Inputs.
AUDIO: Final = "AUDIO"  # INT16 [samples], 16 kHz mono
LANGUAGE: Final = "LANGUAGE"  # BYTES [1], BCP-47 or AUTO_LANGUAGE
OPTIONS: Final = "OPTIONS"  # BYTES [1], JSON of RecognitionOptions

# Outputs, in the order of the words.
WORDS: Final = "WORDS"  # BYTES [words], text pieces with their punctuation
START_SAMPLES: Final = "START_SAMPLES"  # INT32 [words], offset from the start of the window
END_SAMPLES: Final = "END_SAMPLES"  # INT32 [words]
CONFIDENCE: Final = "CONFIDENCE"  # FP32 [words], 0..1
LANGUAGE_OUT: Final = "LANGUAGE_OUT"  # BYTES [1]
LANGUAGE_CONFIDENCE: Final = "LANGUAGE_CONFIDENCE"  # FP32 [1], 0..1
NO_SPEECH: Final = "NO_SPEECH"  # FP32 [1], probability that the window has no speech

# Outputs of a model of voices: spans in order of their start, and what each voice is like.
SPAN_START_SAMPLES: Final = "SPAN_START_SAMPLES"  # INT32 [spans], offset from the start of the window
SPAN_END_SAMPLES: Final = "SPAN_END_SAMPLES"  # INT32 [spans]
SPAN_VOICE: Final = "SPAN_VOICE"  # INT32 [spans], which of the voices
EMBEDDINGS: Final = "EMBEDDINGS"  # FP32 [voices * dimensions], each voice's of length 1
CLEAN_SAMPLES: Final = "CLEAN_SAMPLES"  # INT32 [voices], speech of that voice alone in its embedding

INPUTS: Final = {AUDIO: "INT16", LANGUAGE: "BYTES", OPTIONS: "BYTES"}
OUTPUTS: Final = {
    WORDS: "BYTES",
    START_SAMPLES: "INT32",
    END_SAMPLES: "INT32",
    CONFIDENCE: "FP32",
    LANGUAGE_OUT: "BYTES",
    LANGUAGE_CONFIDENCE: "FP32",
    NO_SPEECH: "FP32",
}
VOICES_INPUTS: Final = {AUDIO: "INT16"}
VOICES_OUTPUTS: Final = {
    SPAN_START_SAMPLES: "INT32",
    SPAN_END_SAMPLES: "INT32",
    SPAN_VOICE: "INT32",
    EMBEDDINGS: "FP32",
    CLEAN_SAMPLES: "INT32",
}

AUTO_LANGUAGE: Final = "auto"
PROFILE_PARAMETER: Final = "profile"  # key of the profile in config.pbtxt's `parameters`
VOICES_PROFILE_PARAMETER: Final = "voices_profile"  # of a model of voices, which is thus never taken for a recogniser
INTERACTIVE_PRIORITY: Final = 1  # Triton priority levels: 1 is served first
BULK_PRIORITY: Final = 2

MAX_HOTWORDS: Final = 1000  # entries of one request
DEFAULT_BOOST: Final = 2.0
MAX_BOOST: Final = 20.0
MAX_MARK_BIAS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Hotword:
    """A word or phrase to listen for.

    `text` is what the transcript shall say, `sounds_like` holds other spellings of what is heard, each written as
    `text` where it is. `boost` is added to the log-probability (natural logarithm) of each token of the phrase,
    above 0 and at most MAX_BOOST.
    """

    text: str
    boost: float = DEFAULT_BOOST
    sounds_like: tuple[str, ...] = ()

    @classmethod
    def of(cls, raw: Any) -> Self:
        """From JSON: a string, or an object with these keys. Raises TypeError or ValueError."""
        if isinstance(raw, str):
            return cls(raw)
        hotword = cls(**{**raw, "sounds_like": tuple(raw.get("sounds_like", ()))})
        texts = (hotword.text, *hotword.sounds_like)
        if isinstance(raw.get("sounds_like"), str) or not all(isinstance(text, str) for text in texts):
            raise ValueError("OPTIONS: a value of a hotword has the wrong type")
        if type(hotword.boost) not in {int, float} or not isfinite(hotword.boost) or not 0 < hotword.boost <= MAX_BOOST:
            raise ValueError(f"OPTIONS: boost {hotword.boost!r} of a hotword is not above 0 and at most {MAX_BOOST}")
        return hotword


@dataclass(frozen=True, slots=True)
class RecognitionOptions:
    """Decoding options of one window; windows are batched together only when these are equal.

    `task` is `transcribe` or `translate`. `beam_size` 1 is greedy. `hotwords` are at most MAX_HOTWORDS. `mark_bias`, at
    most MAX_MARK_BIAS either way, is what punctuation gains in log-probability (natural logarithm): above 0 while it is
    decoded, below 0 when it is done (see decoding/marks.py). A family that cannot honour a value refuses the request
    rather than ignoring it.
    """

    task: str = "transcribe"
    beam_size: int = 1
    hotwords: tuple[Hotword, ...] = ()
    prompt: str = ""
    mark_bias: float = 0.0

    def to_json(self) -> str:
        # `asdict` would take 20 ms for 1000 hotwords.
        hotwords = [{"text": one.text, "boost": one.boost, "sounds_like": one.sounds_like} for one in self.hotwords]
        plain = {"task": self.task, "beam_size": self.beam_size, "hotwords": hotwords, "prompt": self.prompt}
        asked = {"mark_bias": self.mark_bias} if self.mark_bias else {}  # unknown to models of an earlier release
        return json.dumps(plain | asked, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse; empty text means the defaults. Raises ValueError for unknown keys or wrong types."""
        raw = json.loads(text) if text else {}
        if not isinstance(raw, dict):
            message = "OPTIONS must be a JSON object"
            raise ValueError(message)  # noqa: TRY004 - one error for whatever is wrong with a request
        try:
            options = cls(**{**raw, "hotwords": _hotwords(raw.get("hotwords", []))})
        except (AttributeError, TypeError) as error:
            message = f"OPTIONS: {error}"
            raise ValueError(message) from error
        if not options._is_well_typed():
            message = "OPTIONS: a value has the wrong type"
            raise ValueError(message)
        if options.task not in {"transcribe", "translate"} or options.beam_size < 1:
            message = f"OPTIONS: task {options.task!r} with beam_size {options.beam_size} is not known"
            raise ValueError(message)
        if not abs(options.mark_bias) <= MAX_MARK_BIAS:
            raise ValueError(
                f"OPTIONS: mark_bias {options.mark_bias!r} is above {MAX_MARK_BIAS}, or below -{MAX_MARK_BIAS}"
            )
        return options

    def _is_well_typed(self) -> bool:
        texts = isinstance(self.task, str) and isinstance(self.prompt, str)
        return texts and type(self.beam_size) is int and type(self.mark_bias) in {int, float}


def _hotwords(raw: Any) -> tuple[Hotword, ...]:
    if not isinstance(raw, list) or len(raw) > MAX_HOTWORDS:
        raise ValueError(f"OPTIONS: hotwords must be a list of at most {MAX_HOTWORDS} entries")
    return tuple(Hotword.of(entry) for entry in raw)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a recogniser says of itself; published as JSON in config.pbtxt's parameter `profile`.

    `length_buckets_samples` is ascending; its last entry is the longest window taken. `window_target_samples` is
    the length the segmenter aims at, `window_max_samples` the length it never exceeds. `revision` is of what the model
    was built from: `stenod models add` sets it; empty means unknown, and then no transcript of it is used again.
    `identifies_languages`: with AUTO_LANGUAGE it hears which of its languages is spoken, and how sure it is.
    `max_beam_size`, `takes_hotwords`, `takes_prompt` and `takes_mark_bias` say which RecognitionOptions it honours, as
    `tasks` does. `writes_marks` and `writes_capitals` say what its text has; what was built before profiles said so is
    taken to write both.
    """

    model: str
    family: str
    languages: tuple[str, ...]
    window_target_samples: int
    window_max_samples: int
    length_buckets_samples: tuple[int, ...]
    max_batch_size: int
    instances: int = 1
    tasks: tuple[str, ...] = ("transcribe",)
    operating_points: tuple[str, ...] = ("standard",)
    licence: str = ""
    revision: str = ""
    identifies_languages: bool = False
    max_beam_size: int = 1
    takes_hotwords: bool = False
    takes_prompt: bool = False
    takes_mark_bias: bool = False
    writes_marks: bool = True
    writes_capitals: bool = True
    sample_rate_hz: int = field(default=SAMPLE_RATE_HZ)

    @property
    def default_engines(self) -> int:
        """Engines that keep the recogniser busy: one batch in work and one gathering, per instance."""
        return self.max_batch_size * self.instances * 2

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises ValueError or TypeError when a key is missing or unknown."""
        raw = json.loads(text)
        for key in {"languages", "length_buckets_samples", "tasks", "operating_points"} & raw.keys():
            raw[key] = tuple(raw[key])
        return cls(**raw)


@dataclass(frozen=True, slots=True)
class VoicesProfile:
    """What a model of voices says of itself; published as JSON in config.pbtxt's parameter `voices_profile`.

    `dimensions` are of its embeddings. Those of two revisions cannot be compared: `stenod models add` sets `revision`.
    """

    model: str
    family: str
    window_max_samples: int
    dimensions: int
    max_batch_size: int
    instances: int = 1
    licence: str = ""
    revision: str = ""
    sample_rate_hz: int = field(default=SAMPLE_RATE_HZ)

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises ValueError or TypeError when a key is missing or unknown."""
        return cls(**json.loads(text))
