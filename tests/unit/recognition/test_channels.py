"""Segments of several channels in one order, however long one of them is silent."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.domain.transcript import Segment, Word
from stenod_server.ports import WindowResult
from stenod_server.recognition.channels import Channels
from stenod_server.recognition.guard import GuardLimits
from stenod_server.recognition.stitch import Frame, SegmentRules, Stitcher

Turn = tuple[Frame, list[Word]]
LONGEST = 30 * HZ


def turn(channel: int, start_s: float, length_s: float, texts: str = "", *, first_s: float = 0.0) -> Turn:
    """A window in which words follow each other, half a second each, from `first_s` on."""
    start, end = round(start_s * HZ), round((start_s + length_s) * HZ)
    words = []
    for place, text in enumerate(texts.split()):
        said = round((first_s + place / 2) * HZ)
        words.append(Word(text, said, said + HZ // 2, 0.9, "en", str(channel)))
    return Frame(0, start, end, start, end, channel), words


def fed(channels: Channels, turns: Sequence[Turn]) -> list[Segment]:
    segments = []
    for frame, words in turns:
        verdict = channels.inspect(frame, WindowResult(tuple(words), "en", 1.0, 0.0))
        segments += channels.feed(frame, verdict)
    return segments


def fresh(*, several: bool = True) -> Channels:
    return Channels(SegmentRules(), GuardLimits(), several=several)


def in_order(turns: Sequence[Turn]) -> list[Turn]:
    return sorted(turns, key=lambda one: (one[0].start_samples, one[0].channel))


def texts(segments: Sequence[Segment]) -> list[str]:
    return [segment.text for segment in segments]


def test_turns_of_two_channels_come_in_order_of_their_start() -> None:
    one = turn(0, 0, 10, "one two three")
    other = turn(1, 3, 5, "four")
    later = turn(0, 12, 2, "five")
    channels = fresh()
    assert texts(fed(channels, [one, other, later]) + channels.finish()) == ["one two three", "four", "five"]


def test_a_segment_waits_for_a_channel_that_may_still_begin_before_it() -> None:
    channels = fresh()
    assert texts(fed(channels, [turn(0, 0, 20, "late", first_s=15)])) == []
    assert texts(fed(channels, [turn(1, 5, 2, "early")])) == []
    assert texts(fed(channels, [turn(0, 22, 2, "last", first_s=0.5)])) == ["early", "late"]
    assert texts(channels.finish()) == ["last"]


def test_one_channel_alone_waits_for_nothing() -> None:
    channels = fresh(several=False)
    assert texts(fed(channels, [turn(0, 0, 20, "done", first_s=15)])) == ["done"]


def test_a_channel_that_falls_silent_for_an_hour_holds_no_other_up() -> None:
    """It broke off without a pause: its open segment ends when the others show that nothing followed."""
    channels = fresh()
    assert texts(fed(channels, [turn(1, 0, 0.5, "hello")])) == []
    count = 0
    for number, at_s in enumerate(range(1, 3600, 10), start=1):
        count += len(fed(channels, [turn(0, at_s, 3, "so it goes")]))
        assert count >= number - 1
        assert channels.waiting <= 2
    assert count == number + 1  # with the one of the channel that is silent


_turn = st.tuples(
    st.integers(0, 3),  # channel
    st.integers(0, 12 * HZ),  # silence before it
    st.lists(st.tuples(st.integers(0, 3 * HZ), st.sampled_from(["a", "b.", "c,", "d?"])), max_size=8),
)


def scripted(raw: Sequence[tuple[int, int, list[tuple[int, str]]]]) -> list[Turn]:
    """Windows of four channels, each of which goes on behind its last one."""
    ends = dict.fromkeys(range(4), 0)
    turns = []
    for number, (channel, silence, said) in enumerate(raw):
        start = at = ends[channel] + silence
        words = []
        for place, (gap, text) in enumerate(said):
            at += gap
            words.append(Word(f"{number}.{place}{text}", at - start, at - start + HZ // 3, 0.9, "en", str(channel)))
            at += HZ // 3
        end = min(at + HZ // 4, start + LONGEST)
        turns.append((Frame(number, start, end, start, end, channel), words))
        ends[channel] = end
    return in_order(turns)


def stitched_apart(turns: Sequence[Turn]) -> list[Segment]:
    """Each channel by itself, then all in order: what must come out."""
    together: list[tuple[int, int, int, Segment]] = []
    for channel in range(4):
        stitcher = Stitcher()
        own = [
            segment
            for frame, words in turns
            if frame.channel == channel
            for segment in stitcher.feed(frame, stitcher.place(frame, words))
        ]
        own += stitcher.finish()
        together += [(segment.start_samples, channel, place, segment) for place, segment in enumerate(own)]
    return [segment for *_, segment in sorted(together, key=lambda one: one[:3])]


@settings(max_examples=150, deadline=None)
@given(raw=st.lists(_turn, max_size=24), place=st.integers(0, 24))
def test_any_channels_come_out_whole_in_order_and_behind_any_checkpoint(
    raw: list[tuple[int, int, list[tuple[int, str]]]], place: int
) -> None:
    turns = scripted(raw)
    channels = fresh()
    segments = fed(channels, turns)
    segments += channels.finish()
    assert segments == stitched_apart(turns)
    assert all(one.start_samples <= other.start_samples for one, other in pairwise(segments))
    before, after = fresh(), fresh()
    given_before = fed(before, turns[:place])
    after.recall(json.loads(json.dumps(before.remember())))
    assert [*given_before, *fed(after, turns[place:]), *after.finish()] == segments


@settings(max_examples=60, deadline=None)
@given(raw=st.lists(_turn, min_size=1, max_size=24))
def test_what_waits_began_no_more_than_a_window_and_a_segment_ago(
    raw: list[tuple[int, int, list[tuple[int, str]]]],
) -> None:
    rules = SegmentRules()
    channels = fresh()
    given_so_far = 0
    turns = scripted(raw)
    expected = stitched_apart(turns)
    for frame, words in turns:
        given_so_far += len(fed(channels, [(frame, words)]))
        # What is older than the longest open segment before the last window has been given.
        sure = frame.start_samples - rules.max_samples - rules.pause_samples - LONGEST
        assert given_so_far >= sum(segment.start_samples < sure for segment in expected)


def test_words_keep_everything_over_a_checkpoint() -> None:
    frame, words = turn(0, 0, 20, "kept", first_s=12)
    words = [replace(word, volume=61.5, channel="Agent") for word in words]
    channels, other = fresh(), fresh()
    fed(channels, [(frame, words)])
    assert channels.waiting == 1
    other.recall(json.loads(json.dumps(channels.remember())))
    assert other.finish() == channels.finish()
