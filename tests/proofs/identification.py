"""Proof: who is known is recognised in another recording, nobody else is taken for them, and identifiers are of no use
to anybody but their user.

    python -m tests.proofs.identification [--voices | --service]

Voices: every recording of one person in the speech set that is long enough for an identifier is enrolled, and everybody
is looked for in every other recording that does not have the same words. Prints hits and false accepts by the condition
of the other recording, with one identifier, with three, and with everybody known at once. Service: a real server with
real models; identifiers that are foreign, outdated, tampered with or of a secret that is gone, one by one, and
conversations whose speakers are known. Exit status 1 where too few are recognised, too many taken for somebody else, or
an identifier is good for whom it should not be.
"""

import argparse
import asyncio
import itertools
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from stenod_server.domain.diarization import Diarization, DiarizationMode, KnownSpeaker
from stenod_server.domain.job import JobConfig
from stenod_server.ports import VoiceProfile
from stenod_server.speakers.identification import Identification, identification_of_its_own
from stenod_server.speakers.turns import SpeakerTurns
from tests.support.heard_speakers import Clip, Ear, clips_of_speakers
from tests.support.identified_service import prove_service
from tests.support.models import build_models

VOICES: Final = "voices"
TENANT: Final = "proof"
AT_ONCE: Final = 3  # identifiers of one person
SEEDS: Final = 5  # ways to draw them
LEAST_HITS: Final = {"clean": 0.99, "noise": 0.9, "telephone": 0.85}
MOST_FALSE: Final = 0.001


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """A clip, who is heard in it, and the identifier of the one who is heard most: none where that is too short."""

    clip: Clip
    turns: SpeakerTurns
    identifier: str

    @property
    def main(self) -> int:
        """The place of who is heard most."""
        lengths = [speaker.speech_samples for speaker in self.turns.speakers]
        return lengths.index(max(lengths))

    def named(self, turns: SpeakerTurns) -> str:
        return turns.speakers[self.main].label


class Trials:
    """Hits and false accepts, by condition."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], Counter[bool]] = defaultdict(Counter)

    def count(self, condition: str, *, is_same: bool, is_named: bool) -> None:
        self._counts[condition, "same" if is_same else "other"][is_named] += 1

    def ratio(self, condition: str, whose: str) -> tuple[float, int, int]:
        """(of those that were named, how many, of how many); `condition` is a beginning."""
        found = [counts for (name, of), counts in self._counts.items() if of == whose and name.startswith(condition)]
        total = sum(sum(counts.values()) for counts in found)
        named = sum(counts[True] for counts in found)
        return named / max(total, 1), named, total

    def conditions(self) -> Sequence[str]:
        return sorted({name for name, _ in self._counts})

    def lines(self, title: str) -> Iterator[str]:
        yield f"{title:34} {'hits':>22} {'false accepts':>26}"
        for condition in (*self.conditions(), ""):
            (hit, hits, same), (false, accepts, others) = self.ratio(condition, "same"), self.ratio(condition, "other")
            hit_text, false_text = f"{hits} of {same}", f"{accepts} of {others}"
            yield f"  {condition or 'all':32} {hit_text:>14} {hit:7.4f} {false_text:>17} {false:8.5f}"


@dataclass(frozen=True, slots=True)
class Bench:
    """What identifiers are made and read with."""

    identification: Identification
    profile: VoiceProfile

    def identifier(self, turns: SpeakerTurns, place: int) -> str:
        asked = JobConfig(diarization=Diarization(mode=DiarizationMode.SPEAKER, return_identifiers=True))
        speakers = self.identification.speakers_of(turns, asked, TENANT, self.profile)
        return next(iter(speakers[place].identifiers), "")

    def named(self, turns: SpeakerTurns, known: Mapping[str, Sequence[str]]) -> SpeakerTurns:
        speakers = tuple(KnownSpeaker(label, tuple(identifiers)) for label, identifiers in known.items())
        asked = JobConfig(diarization=Diarization(mode=DiarizationMode.SPEAKER, known_speakers=speakers))
        found, warnings = self.identification.identified(turns, asked, TENANT, self.profile)
        assert not warnings, warnings
        return found


def hear(ear: Ear, bench: Bench, progress: Callable[[str], None]) -> Sequence[Heard]:
    heard = []
    for number, clip in enumerate(clips_of_speakers(), start=1):
        turns = ear.turns(clip.audio)
        if turns.speakers:
            one = Heard(clip, turns, "")
            heard.append(Heard(clip, turns, bench.identifier(turns, one.main)))
        if not number % 10:
            progress(f"heard {number} recordings")
    return heard


def try_pairs(heard: Sequence[Heard], bench: Bench) -> Trials:
    """Everybody by one identifier, in every other recording."""
    trials = Trials()
    for enrolled, other in itertools.product((one for one in heard if enrolls(one)), heard):
        if enrolled.clip.utterance == other.clip.utterance:
            continue
        turns = bench.named(other.turns, {"known": [enrolled.identifier]})
        is_same = enrolled.clip.speaker == other.clip.speaker
        # A stranger is not to be found in anybody of the recording, and a friend in the one who is heard most.
        labels = [speaker.label for speaker in turns.speakers]
        is_named = other.named(turns) == "known" if is_same else "known" in labels
        trials.count(other.clip.condition, is_same=is_same, is_named=is_named)
    return trials


def enrolls(one: Heard) -> bool:
    return bool(one.identifier) and one.clip.condition == "clean"


def try_several(heard: Sequence[Heard], bench: Bench) -> Trials:
    """Everybody by several identifiers, of recordings that are drawn."""
    trials = Trials()
    by_speaker = group(heard)
    for seed in range(SEEDS):
        for speaker, own in by_speaker.items():
            if len(own) <= AT_ONCE:
                continue
            drawn = random.Random(f"{seed} {speaker}").sample(own, AT_ONCE)
            said = {one.clip.utterance for one in drawn}
            for other in heard:
                if other.clip.utterance in said:
                    continue
                turns = bench.named(other.turns, {"known": [one.identifier for one in drawn]})
                is_same = speaker == other.clip.speaker
                labels = [one.label for one in turns.speakers]
                is_named = other.named(turns) == "known" if is_same else "known" in labels
                trials.count(other.clip.condition, is_same=is_same, is_named=is_named)
    return trials


def try_crowd(heard: Sequence[Heard], bench: Bench) -> Trials:
    """All are known at once, by one identifier each: a hit is the right name, and any other a false accept."""
    trials = Trials()
    by_speaker = group(heard)
    for seed in range(SEEDS):
        drawn = {speaker: random.Random(f"{seed} {speaker}").choice(own) for speaker, own in by_speaker.items()}
        known = {speaker: [one.identifier] for speaker, one in drawn.items()}
        for other in heard:
            own_enrolment = drawn.get(other.clip.speaker)
            if own_enrolment and own_enrolment.clip.utterance == other.clip.utterance:
                continue
            name = other.named(bench.named(other.turns, known))
            if own_enrolment:
                trials.count(other.clip.condition, is_same=True, is_named=name == other.clip.speaker)
            trials.count(other.clip.condition, is_same=False, is_named=name in known and name != other.clip.speaker)
    return trials


def group(heard: Sequence[Heard]) -> Mapping[str, Sequence[Heard]]:
    """Those who can be enrolled, by who they are."""
    found: dict[str, list[Heard]] = defaultdict(list)
    for one in heard:
        if enrolls(one):
            found[one.clip.speaker].append(one)
    return found


def problems_of(title: str, trials: Trials) -> Iterator[str]:
    for condition, least in LEAST_HITS.items():
        hit, hits, same = trials.ratio(condition, "same")
        if hit < least:
            yield f"{title}, {condition}: {hits} of {same} recognised, fewer than {least:.0%}"
    false, accepts, others = trials.ratio("", "other")
    if false > MOST_FALSE:
        yield f"{title}: {accepts} of {others} taken for somebody else, more than {MOST_FALSE:.1%}"


def prove_voices(progress: Callable[[str], None]) -> Sequence[str]:
    ear = Ear(build_models(VOICES))
    profile = VoiceProfile(
        model=VOICES, family=VOICES, window_max_samples=0, dimensions=ear.dimensions, max_batch_size=1, instances=1
    )
    bench = Bench(identification_of_its_own(), profile)
    heard = hear(ear, bench, progress)
    enrolled = group(heard)
    print(f"\n{len(heard)} recordings of {len({one.clip.speaker for one in heard})} people; enrolled: "
          f"{sum(map(len, enrolled.values()))} recordings of {len(enrolled)}")  # fmt: skip
    problems: list[str] = []
    for title, attempt in (
        ("one identifier, all pairs", try_pairs),
        (f"{AT_ONCE} identifiers of one person", try_several),
        ("everybody known at once", try_crowd),
    ):
        trials = attempt(heard, bench)
        print(*trials.lines(title), sep="\n", flush=True)
        problems += problems_of(title, trials)
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--voices", action="store_true", help="the model alone")
    which.add_argument("--service", action="store_true", help="the service alone")
    asked = parser.parse_args()
    problems: list[str] = []
    if not asked.service:
        problems += prove_voices(lambda text: print(f"\r{text}", end="", file=sys.stderr, flush=True))
    if not asked.voices:
        problems += asyncio.run(prove_service())
    print("", *(f"FAILED {problem}" for problem in problems), sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
