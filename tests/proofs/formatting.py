"""Proof: numbers are written as people write them, and nothing that was right is damaged.

    python -m tests.proofs.formatting [--without-service]

1. The table of what is said and how it is to be written (tests/support/formatting_cases.tsv): the pass rate by kind.
2. The reference texts of the English speech set, formatted: every change is to be one that was reviewed, and every one
   of those is to be made (tests/support/formatted_references.tsv). After Whisper's English normalisation, which writes
   numbers in digits itself and hides some changes, they are to be what they were.
3. The whole service with `numerals` on and off over the English read and spontaneous speech: the word error rate is to
   be the same within 0.1 points. Prints what becomes of the recogniser's text.

Exit status 1 below 98 % of the table, or where a text or the rate is another.
"""

import argparse
import asyncio
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from whisper_normalizer.english import EnglishTextNormalizer

import stenod
from tests.proofs.wer import word_error_rate
from tests.support.formatted_references import changes, made, references, reviewed
from tests.support.formatting_cases import Case, cases, with_numerals
from tests.support.models import build_models
from tests.support.server import serving
from tests.support.speech import Recording, english_with_text, recordings

LEAST_PASSED_RATIO = 0.98
ALLOWED_POINTS = 0.1
SIDE_BY_SIDE = 4


@dataclass(frozen=True, slots=True)
class Both:
    """The texts of the service without numerals and with."""

    plain: Sequence[str]
    written: Sequence[str]


def table_holds() -> bool:
    """Prints the pass rate of each kind, and the cases that fail."""
    failed = [case for case in cases() if not _passes(case)]
    total, lost = Counter(case.kind for case in cases()), Counter(case.kind for case in failed)
    print(f"{'kind':<12}{'cases':>7}{'passed':>8}{'rate':>8}")
    for kind in total:
        print(f"{kind:<12}{total[kind]:>7}{total[kind] - lost[kind]:>8}{1 - lost[kind] / total[kind]:>8.0%}")
    rate = 1 - len(failed) / len(cases())
    print(
        f"{'all':<12}{len(cases()):>7}{len(cases()) - len(failed):>8}{rate:>8.1%}  (at least {LEAST_PASSED_RATIO:.0%})"
    )
    for case in failed:
        print(f"  {case.kind}: {case.spoken!r} → {with_numerals(case.spoken, case.language)!r}, not {case.written!r}")
    return rate >= LEAST_PASSED_RATIO


def changes_hold(texts: Mapping[str, str]) -> bool:
    """Prints what is written anew and was not reviewed, and the other way round."""
    now, before = Counter(made(texts)), Counter(reviewed())
    print(f"{now.total()} places of the reference texts are written anew, {before.total()} were reviewed")
    for title, lines in (("not reviewed", now - before), ("no longer made", before - now)):
        print("".join(f"  {title}: {line}\n" for line in lines.elements()), end="")
    return now == before


def texts_hold(texts: Mapping[str, str]) -> bool:
    """Prints the texts that are others after normalisation."""
    normalise = EnglishTextNormalizer()
    damaged = []
    for text in texts.values():
        before, after = normalise(text), normalise(with_numerals(text))
        if _joined(before) != _joined(after):
            damaged.append((before, after))
    words = sum(len(text.split()) for text in texts.values())
    print(f"{len(texts)} reference texts, {words} words: {len(damaged)} texts damaged")
    for before, after in damaged:
        print("\n".join(f"  damaged: {change}" for change in changes(before, after)))
    return not damaged


def _joined(text: str) -> str:
    """Numbers side by side without the blank: the normaliser makes one of `fourteen sixty-nine, fourteen seventy`."""
    return re.sub(r"(?<=\d) (?=\d)", "", text)


def _passes(case: Case) -> bool:
    written = with_numerals(case.spoken, case.language)
    return written == case.written and with_numerals(written, case.language) == written


async def service_holds(heard: Sequence[Recording]) -> bool:
    """Prints what becomes of the recogniser's text, and the word error rates."""
    both = await _transcribed(heard)
    for recording, plain, written in zip(heard, both.plain, both.written, strict=True):
        for change in changes(plain, written):
            print(f"  {recording.id}: {change}")
    references = [recording.text for recording in heard]
    before, after = word_error_rate(references, both.plain), word_error_rate(references, both.written)
    print(f"{len(heard)} recordings: WER {before:.2f} % as recognised, {after:.2f} % with numerals")
    return abs(after - before) <= ALLOWED_POINTS


async def _transcribed(heard: Sequence[Recording]) -> Both:
    with tempfile.TemporaryDirectory() as name:
        async with (
            serving(Path(name), models_dir=build_models()) as server,
            stenod.Client(server.address) as client,
        ):
            room = asyncio.Semaphore(SIDE_BY_SIDE)

            async def text(recording: Recording, *, numerals: bool) -> str:
                async with room:
                    return (await client.transcribe(recording.path, language="en", numerals=numerals)).text

            plain = await asyncio.gather(*(text(recording, numerals=False) for recording in heard))
            written = await asyncio.gather(*(text(recording, numerals=True) for recording in heard))
    return Both(plain, written)


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--without-service", action="store_true", help="only the table and the reference texts")
    asked = parser.parse_args()
    held = [table_holds(), changes_hold(references()), texts_hold(references())]
    if not asked.without_service:
        held.append(await service_holds([*english_with_text(), *recordings("long")]))
    print("formatting holds" if all(held) else "formatting does NOT hold")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
