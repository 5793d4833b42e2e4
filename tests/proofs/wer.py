"""Proof: the service loses nothing on the way. Its word error rate is that of the bare recogniser on the same windows.

    python -m tests.proofs.wer

All English read and spontaneous speech of the speech set (without the `sb-` clips), Whisper's English normalisation.
Prints both rates and their difference; exit status 1 when they differ by more than 0.1 points.
"""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
from whisper_normalizer.english import EnglishTextNormalizer

import stenod
from tests.support.bare import Bare, bare_recogniser
from tests.support.models import build_models
from tests.support.server import serving
from tests.support.speech import Recording, english_with_text

ALLOWED_POINTS = 0.1
SIDE_BY_SIDE = 8


@dataclass(frozen=True, slots=True)
class Comparison:
    """Word error rates in percent; `different` names the clips whose words differ at all."""

    clips: int
    seconds: float
    service: float
    bare: float
    different: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return abs(self.service - self.bare) <= ALLOWED_POINTS


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """In percent, after Whisper's English normalisation."""
    normalise = EnglishTextNormalizer()
    return 100 * jiwer.wer([normalise(text) for text in references], [normalise(text) for text in hypotheses])


async def compare(client: stenod.Client, bare: Bare, recordings: Sequence[Recording]) -> Comparison:
    """Transcribe every recording both ways."""
    room = asyncio.Semaphore(SIDE_BY_SIDE)

    async def served(recording: Recording) -> str:
        async with room:
            return (await client.transcribe(recording.path)).text

    texts = await asyncio.gather(*(served(recording) for recording in recordings))
    words = [" ".join(await bare.words(recording.path)) for recording in recordings]
    references = [recording.text for recording in recordings]
    return Comparison(
        clips=len(recordings),
        seconds=sum(recording.duration_s for recording in recordings),
        service=word_error_rate(references, texts),
        bare=word_error_rate(references, words),
        different=tuple(r.id for r, text, plain in zip(recordings, texts, words, strict=True) if text != plain),
    )


async def main() -> int:
    models_dir = build_models()
    with tempfile.TemporaryDirectory() as name:
        async with (
            serving(Path(name), models_dir=models_dir) as server,
            stenod.Client(server.address) as client,
            bare_recogniser(models_dir) as bare,
        ):
            found = await compare(client, bare, english_with_text())
    print(f"{found.clips} clips, {found.seconds:.0f} s of English speech")
    print(f"WER of the service          {found.service:6.2f} %")
    print(f"WER of the bare recogniser  {found.bare:6.2f} %")
    print(f"difference                  {found.service - found.bare:+6.2f} points (allowed: {ALLOWED_POINTS})")
    print(f"clips with other words      {len(found.different)} {' '.join(found.different)}")
    return 0 if found.holds else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
