"""A golden set: recordings whose text is known, how well they were heard, and that as metrics."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    import stenod

_WITHOUT_BLANKS: Final = frozenset({"ja", "lo", "my", "th", "yue", "zh"})  # letters are counted in place of words
_ADVICE: Final = "install it with: pip install 'stenod[eval]'"


@dataclass(frozen=True, slots=True)
class Golden:
    """A recording and its text. `audio` is a path or an address."""

    audio: Path | str
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Scored:
    """How it was heard. `reason` is that of a job that failed: then all its words are missing."""

    golden: Golden
    heard: str
    words: int
    errors: int
    audio_s: float
    model: str
    reason: str = ""

    @property
    def wer(self) -> float:
        return self.errors / self.words if self.words else float(bool(self.errors))

    def as_row(self) -> dict[str, Any]:
        name = self.golden.audio.name if isinstance(self.golden.audio, Path) else self.golden.audio
        return {
            "recording": name,
            "words": self.words,
            "errors": self.errors,
            "wer": f"{100 * self.wer:.1f} %",
            "reason": self.reason,
        }

    def as_json(self) -> dict[str, Any]:
        return {
            "audio": str(self.golden.audio),
            "text": self.golden.text,
            "heard": self.heard,
            "words": self.words,
            "errors": self.errors,
            "reason": self.reason,
        }


def read_golden(path: Path) -> list[Golden]:
    """Paths are relative to the file. Raises OSError, ValueError naming the line."""
    found = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            audio, text = row["audio"], row["text"]
        except (KeyError, TypeError, ValueError) as error:
            message = f"{path}:{number} is no line of a golden set: {error!r}"
            raise ValueError(message) from error
        found.append(Golden(audio if "://" in audio else path.parent / audio, text, row.get("language", "auto")))
    if not found:
        message = f"{path} names no recordings"
        raise ValueError(message)
    return found


def read_result(path: Path) -> dict[str, Any]:
    """What an earlier run kept. Raises OSError, ValueError."""
    result = json.loads(path.read_text("utf-8"))
    try:
        float(result["wer"])
    except (KeyError, TypeError) as error:
        message = f"{path} is no result of `stenod eval -o`"
        raise ValueError(message) from error
    return dict(result)


async def score_all(
    client: "stenod.Client", recordings: Sequence[Golden], *, model: str, parallel: int
) -> list[Scored]:
    """In their order. Raises StenodError where the server is not there; else a failure is its score."""
    counted(recordings[0].text, "", recordings[0].language)  # tells at once where the libraries are missing
    room = asyncio.Semaphore(parallel)

    async def score(golden: Golden) -> Scored:
        async with room:
            return await _score(client, golden, model)

    return await asyncio.gather(*map(score, recordings))


async def _score(client: "stenod.Client", golden: Golden, model: str) -> Scored:
    from stenod.errors import InvalidRequest, JobFailed

    try:
        heard = await client.transcribe(golden.audio, language=golden.language, model=model)
    except (InvalidRequest, JobFailed, OSError) as error:
        words, errors = counted(golden.text, "", golden.language)
        return Scored(golden, "", words, errors, 0.0, "", getattr(error, "reason", "") or type(error).__name__)
    words, errors = counted(golden.text, heard.text, golden.language)
    return Scored(golden, heard.text, words, errors, heard.duration_s, heard.model)


def counted(reference: str, heard: str, language: str) -> tuple[int, int]:
    """Words of the reference, and how many were heard otherwise, by the rules that Whisper's authors compare with."""
    try:
        import jiwer
    except ImportError:
        typer.echo(f"stenod: jiwer is missing; {_ADVICE}", err=True)
        raise typer.Exit(1) from None
    normalise = _normaliser(language)
    expected, found = normalise(reference).strip(), normalise(heard).strip()
    if not expected:
        return 0, len(found.split())
    alignment = jiwer.process_words(expected, found)
    return len(expected.split()), alignment.substitutions + alignment.deletions + alignment.insertions


@cache
def _normaliser(language: str) -> Callable[[str], str]:
    try:
        from whisper_normalizer.basic import BasicTextNormalizer
        from whisper_normalizer.english import EnglishTextNormalizer
    except ImportError:
        typer.echo(f"stenod: whisper-normalizer is missing; {_ADVICE}", err=True)
        raise typer.Exit(1) from None
    primary = language.partition("-")[0].lower()
    if primary == "en":
        english: Callable[[str], str] = EnglishTextNormalizer()
        return english
    other: Callable[[str], str] = BasicTextNormalizer(split_letters=primary in _WITHOUT_BLANKS)
    return other


def summed_up(name: str, scored: Sequence[Scored], *, took_s: float, end_s: float) -> dict[str, Any]:
    """What is kept of a run: errors of all recordings by words of all references."""
    words, errors = sum(one.words for one in scored), sum(one.errors for one in scored)
    return {
        "golden_set": name,
        "model": next((one.model for one in scored if one.model), ""),
        "wer": errors / words if words else 0.0,
        "words": words,
        "errors": errors,
        "recordings": len(scored),
        "failed": sum(bool(one.reason) for one in scored),
        "audio_s": sum(one.audio_s for one in scored),
        "took_s": took_s,
        "end_timestamp_s": end_s,
    }


def metrics_of(result: Mapping[str, Any], before: Mapping[str, Any] | None, *, max_drift: float) -> "CollectorRegistry":
    """The metrics that the alerts and the dashboard read."""
    from prometheus_client import CollectorRegistry, Gauge

    registry = CollectorRegistry()
    values = {
        "wer_ratio": ("Word error rate on the golden set", result["wer"]),
        "max_drift_ratio": ("How much worse than the baseline it may be", max_drift),
        "words": ("Words of the references", result["words"]),
        "recordings": ("Recordings of the golden set", result["recordings"]),
        "failed_recordings": ("Recordings whose job failed", result["failed"]),
        "audio_seconds": ("Audio of the golden set", result["audio_s"]),
        "duration_seconds": ("What the run took", result["took_s"]),
        "end_timestamp_seconds": ("When the run ended", result["end_timestamp_s"]),
    }
    if before is not None:
        values["baseline_wer_ratio"] = ("Word error rate of the baseline", before["wer"])
    for name, (text, value) in values.items():
        Gauge(f"stenod_eval_{name}", text, ["golden_set"], registry=registry).labels(result["golden_set"]).set(value)
    return registry


def publish(registry: "CollectorRegistry", name: str, *, push: str, metrics_file: Path | None) -> None:
    """To a Pushgateway, to a file for node_exporter, or both. Raises OSError."""
    from prometheus_client import push_to_gateway, write_to_textfile

    if metrics_file:
        write_to_textfile(str(metrics_file), registry)
    if push:
        push_to_gateway(push, job="stenod-eval", registry=registry, grouping_key={"golden_set": name})
