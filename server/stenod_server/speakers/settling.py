"""Who of everybody heard is a speaker: the last word, when a recording is over. Pure."""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

import numpy as np

from stenod_server.domain.diarization import Diarization
from stenod_server.speakers.block import CLEAR_S
from stenod_server.speakers.clusters import (
    BoolArray,
    Grouping,
    IntArray,
    Pair,
    Prints,
    apart_groups,
    grouped,
    nearest,
)

# Of the cosines of CAM++ over two seconds (docs/adr/0018): those of two people lie around 0.05 and seldom above 0.3,
# those of one person around 0.6, and nearer to 0.8 where what is known of the person adds up.
_LEAST_LIKENESS: Final = 0.2  # at sensitivity 0
_MOST_LIKENESS: Final = 0.6  # at sensitivity 1
_NEAR: Final = 0.2  # a voice too short to be a speaker is of the one it is likest to, where it is like anybody
# How much clean speech makes one more speaker. What lies between two people, from changes of turn and from under
# others' words, comes again and again, so it adds up to any number of seconds: it is little of the whole, and never
# clear. Who is that little of a long recording must have been heard clearly, and twice.
_SPEAKER_S: Final = 2.0
_SPEAKER_SHARE: Final = 0.01
_CLEAR_SPEAKER_S: Final = 2 * CLEAR_S


def likeness_for(sensitivity: float) -> float:
    """From which cosine on two are one person."""
    return _LEAST_LIKENESS + (_MOST_LIKENESS - _LEAST_LIKENESS) * sensitivity


def settled(people: Prints, apart: Collection[Pair], diarization: Diarization) -> IntArray:
    """The speaker of each, int64 (n,), numbered from 0 without gaps; -1 for who is like nobody. Pairs `apart` were
    heard at the same time: only where there would be too many speakers are they one.
    """
    rules = Grouping(likeness=likeness_for(diarization.sensitivity), least=diarization.min_speakers)
    groups = grouped(people, rules, apart)
    candidates, pairs = people.joined(groups), apart_groups(apart, groups)
    is_speaker = _speakers(candidates, diarization.min_speakers)
    speakers = np.full(len(candidates), -1, np.int64)
    speakers[is_speaker] = np.arange(is_speaker.sum())
    named = _named(
        candidates[is_speaker],
        [(int(speakers[one]), int(speakers[other])) for one, other in pairs if is_speaker[[one, other]].all()],
        replace(rules, most=diarization.max_speakers),
    )
    speakers[is_speaker] = named
    if not is_speaker.all():
        place = np.cumsum(~is_speaker) - 1
        barred = [
            (int(place[rest]), int(speakers[somebody]))
            for pair in pairs
            for rest, somebody in (pair, pair[::-1])
            if is_speaker[somebody] and not is_speaker[rest]
        ]
        likest, likeness = nearest(candidates[~is_speaker], candidates[is_speaker].joined(named), barred)
        speakers[~is_speaker] = np.where(likeness >= _NEAR, likest, -1)
    settled_speakers: IntArray = speakers[groups]
    return settled_speakers


def _named(speakers: Prints, apart: Collection[Pair], rules: Grouping) -> IntArray:
    named = grouped(speakers, rules, apart)
    if 0 < rules.most <= int(named.max()):
        return grouped(speakers, rules)
    return named


def _speakers(candidates: Prints, least: int) -> BoolArray:
    """Which have been heard for long enough, or clearly; and the longest of the others, where that is too few."""
    weights_s = candidates.weights_s
    is_long = weights_s >= max(_SPEAKER_S, _SPEAKER_SHARE * float(weights_s.sum()))
    is_speaker: BoolArray = is_long | (candidates.clear_s >= _CLEAR_SPEAKER_S)
    missing = max(least, 1) - int(is_speaker.sum())
    if missing > 0:
        is_speaker[np.lexsort((-weights_s, is_speaker))[:missing]] = True
    return is_speaker
