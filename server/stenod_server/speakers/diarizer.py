"""Voices of windows → who speaks when over the whole recording. Pure and online.

Windows come in order. Voices are gathered into blocks; a full block is clustered together with everybody heard before
it, and leaves behind one centroid for each person. So the work grows with the length of the recording, and memory with
the spans alone, a few numbers each. While more can come people are joined only when they are surely one; at the end by
the job's sensitivity.
"""

from array import array
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from stenod_server.domain.diarization import Diarization
from stenod_server.ports import WindowVoices
from stenod_server.speakers.block import Block
from stenod_server.speakers.clusters import FloatArray, Grouping, IntArray
from stenod_server.speakers.heard import HeardSpans
from stenod_server.speakers.packing import packed, unpacked_places
from stenod_server.speakers.people import People
from stenod_server.speakers.settling import likeness_for, settled
from stenod_server.speakers.speech_turns import turns_of
from stenod_server.speakers.turns import SpeakerTurns, SpeakerVoice, Turns

BLOCK_VOICES: Final = 160  # some minutes of conversation: enough to know who is there, and few enough to be compared
PEOPLE_MOST: Final = 160  # remembered while more can come: far above the speakers of a recording
_SURE: Final = 0.1  # of more likeness than at the end: what was joined once is not taken apart


class Diarizer:
    """One recording. `add` its windows in order, then `finish` once."""

    def __init__(self, diarization: Diarization) -> None:
        self._diarization = diarization
        likeness = likeness_for(diarization.sensitivity)
        self._rules = Grouping(likeness=likeness + _SURE, least=diarization.min_speakers, most=PEOPLE_MOST)
        self._spans = HeardSpans()
        self._numbers = array("q")  # who each voice is, but for those of the open block
        self._people = People()
        self._block = Block()

    def add(self, start_samples: int, voices: WindowVoices) -> None:
        """The voices of the window that starts there in the file."""
        first = len(self._numbers) + len(self._block)
        for span in voices.spans:
            self._spans.add(start_samples, span, first + span.voice)
        self._spans.close_window()
        self._block.add(voices)
        if len(self._block) >= BLOCK_VOICES:
            self._close_block()

    def finish(self) -> SpeakerTurns:
        """Who speaks when. No more windows come."""
        self._close_block()
        people = self._people.prints
        if not len(people):
            return SpeakerTurns()
        groups = settled(people, self._people.apart, self._diarization)
        starts, ends, voices = self._spans.columns()
        places = self._people.places(np.array(self._numbers, np.int64))
        speakers = groups[places][voices]
        order = _by_appearance(starts, speakers, int(groups.max()) + 1)
        named = order[groups]
        centroids = people[named >= 0].joined(named[named >= 0]).directions()
        return _spoken(centroids, turns_of(starts, ends, order[speakers]))

    def remember(self) -> dict[str, Any]:
        """What a diarizer must know to go on from here, as JSON has it."""
        return {
            "spans": self._spans.remember(),
            "numbers": packed(np.array(self._numbers, np.int64)),
            "people": self._people.remember(),
            "block": self._block.remember(),
        }

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Go on where `remember` was called. Raises what a memory that is none makes of it."""
        self._spans = HeardSpans.recall(memory["spans"])
        self._numbers = array("q", unpacked_places(memory["numbers"]).tolist())
        self._people = People.recall(memory["people"])
        self._block = Block.recall(memory["block"])

    def _close_block(self) -> None:
        if len(self._block):
            self._numbers.extend(self._people.take(self._block.prints(), self._rules, self._block.apart).tolist())
            self._block = Block()


def _by_appearance(starts: IntArray, speakers: IntArray, count: int) -> IntArray:
    """For each of `count` speakers its place in the order in which they are first heard, and behind them -1, for who is
    nobody. It is -1, too, for a speaker of whom another window told all: no span is left.
    """
    never = np.iinfo(np.int64).max
    first = np.full(count + 1, never)
    np.minimum.at(first, speakers, starts)
    heard = int((first[:count] < never).sum())
    order = np.full(count + 1, -1)
    order[np.argsort(first[:count], kind="stable")[:heard]] = np.arange(heard)
    return order


def _spoken(centroids: FloatArray, turns: Turns) -> SpeakerTurns:
    rows = turns.rows
    spoken = np.bincount(rows[:, 2], rows[:, 1] - rows[:, 0], minlength=len(centroids))
    speakers = (
        SpeakerVoice(f"S{number}", centroid, int(samples))
        for number, (centroid, samples) in enumerate(zip(centroids, spoken, strict=True), start=1)
    )
    return SpeakerTurns(tuple(speakers), turns)
