"""Renderings as the programs of other people read them, and whether they are as they should be."""

import html
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import srt  # type: ignore[import-untyped]
import webvtt  # type: ignore[import-untyped]
from webvtt.models import Timestamp  # type: ignore[import-untyped]

from stenod_server.domain.diarization import UNKNOWN_SPEAKER
from stenod_server.domain.rendering import SubtitleShape
from stenod_server.text.cue_layout import MAX_CUE_MS
from tests.support.speechmatics_clients import batch_models

DASH = "-"


@dataclass(frozen=True, slots=True)
class ShownCue:
    """What a player shows."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.lines)

    @property
    def length_ms(self) -> int:
        return self.end_ms - self.start_ms

    @property
    def characters_per_s(self) -> float:
        return len(self.text) * 1000 / self.length_ms


def read_srt(text: str) -> list[ShownCue]:
    """By the package `srt`; raises where it would have to leave anything out."""
    return [
        ShownCue(_ms(cue.start), _ms(cue.end), tuple(cue.content.split("\n")))
        for cue in srt.parse(text, ignore_errors=False)
    ]


def read_vtt(text: str) -> list[ShownCue]:
    """By webvtt-py; raises where it would have to leave anything out."""
    captions = webvtt.WebVTT.from_string(text, strict=True).captions
    return [
        ShownCue(_vtt_ms(one.start), _vtt_ms(one.end), tuple(html.unescape(one.text).split("\n"))) for one in captions
    ]


def read_json_v2(text: str) -> Any:
    """The Transcript of speechmatics-batch."""
    return batch_models.Transcript.from_dict(json.loads(text))


def faults_of_cues(cues: Sequence[ShownCue], shape: SubtitleShape) -> Iterator[str]:
    """Lines that are too long, cues of too many lines, gaps that are too short, cues that are gone too early."""
    for cue in cues:
        if len(cue.lines) > shape.max_lines:
            yield f"{len(cue.lines)} lines: {cue}"
        if not 0 < cue.length_ms <= MAX_CUE_MS:
            yield f"{cue.length_ms} ms long: {cue}"
        for line in cue.lines:
            if len(line) > shape.max_line_length and " " in line:
                yield f"a line of {len(line)} characters: {line!r}"
    following_ms = [*(cue.start_ms for cue in cues[1:]), math.inf]
    for cue, next_ms in zip(cues, following_ms, strict=False):
        gap_ms = next_ms - cue.end_ms
        if gap_ms < shape.min_gap_ms:
            yield f"a gap of {gap_ms} ms after {cue}"
        has_room = gap_ms > shape.min_gap_ms and cue.length_ms < MAX_CUE_MS
        if has_room and cue.characters_per_s > shape.max_characters_per_s:
            yield f"{cue.characters_per_s:.1f} characters a second, with room behind it: {cue}"


def faults_of_words(cues: Sequence[ShownCue], spoken: Sequence[str], speakers: Sequence[str] = ()) -> Iterator[str]:
    """Words that are lost or made up. `spoken` are the texts of the words; names and dashes are no words."""
    shown = Counter(word for cue in cues for line in cue.lines for word in line.split())
    said = Counter(part for word in spoken for part in word.replace("-->", "->").split())
    leads = {part for speaker in speakers for part in f"{speaker}:".split()} | {DASH}
    if lost := said - shown:
        yield f"lost: {lost}"
    if made_up := set(shown - said) - leads:
        yield f"made up: {made_up}"


Said = tuple[str, str, str]
"""A word: its channel, its speaker ("" where nobody is told), and its text."""


def faults_of_json_v2(transcript: Any, spoken: Iterable[Said]) -> Iterator[str]:
    """What is out of order, lost, made up, or somebody else's. What each says on a channel, results and words alike, is
    the same text, blanks aside.
    """
    keys = [(result.start_time, -result.end_time) for result in transcript.results]
    if keys != sorted(keys):
        yield "results are out of order"
    told, said = _texts(map(_said, transcript.results)), _texts(spoken)
    for who in sorted(told.keys() | said.keys()):
        if told.get(who) != said.get(who):
            yield f"results of {who} are not what was said: {told.get(who)!r} for {said.get(who)!r}"
    for result in transcript.results:
        if result.type == "entity" and not (result.written_form and result.spoken_form):
            yield f"an entity without its forms: {result}"


def _said(result: Any) -> Said:
    speaker = result.alternatives[0].speaker
    return result.channel or "", "" if speaker == UNKNOWN_SPEAKER else speaker, result.alternatives[0].content


def _texts(said: Iterable[Said]) -> dict[tuple[str, str], str]:
    texts: dict[tuple[str, str], str] = {}
    for channel, speaker, text in said:
        texts[channel, speaker] = texts.get((channel, speaker), "") + "".join(text.split())
    return texts


def _ms(at: timedelta) -> int:
    return round(at / timedelta(milliseconds=1))


def _vtt_ms(text: str) -> int:
    hours, minutes, seconds, milliseconds = Timestamp.from_string(text).to_tuple()
    return int(((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds)
