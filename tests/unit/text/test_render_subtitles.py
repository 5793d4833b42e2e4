import html
import re
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenod_server.domain.rendering import SubtitleShape
from stenod_server.domain.transcript import Segment
from stenod_server.errors import InvalidField
from stenod_server.text.cue_layout import MAX_CUE_MS
from stenod_server.text.render import TranscriptFormat, open_renderer, render
from tests.unit.text.transcripts import JOB, make_segment, segments, word_texts

shapes = st.builds(SubtitleShape, st.integers(10, 60), st.integers(1, 4))
TIME = r"(\d\d+):(\d\d):(\d\d)[.,](\d{3})"


@dataclass(frozen=True)
class ReadCue:
    start_ms: int
    end_ms: int
    lines: list[str]


def rendered(given_segments: list[Segment], form: str = "srt", shape: SubtitleShape | None = None) -> str:
    return "".join(render(open_renderer(TranscriptFormat(form), JOB, shape), given_segments))


def read(text: str) -> list[ReadCue]:
    """What a player sees."""
    cues = []
    for block in text.removeprefix("WEBVTT\n\n").split("\n\n")[:-1]:
        lines = block.split("\n")
        if lines[0].isdecimal() and "-->" not in lines[0]:
            lines = lines[1:]
        match = re.fullmatch(f"{TIME} --> {TIME}", lines[0])
        assert match
        numbers = [int(group) for group in match.groups()]
        start_ms, end_ms = (((h * 60 + m) * 60 + s) * 1000 + ms for h, m, s, ms in (numbers[:4], numbers[4:]))
        cues.append(ReadCue(start_ms, end_ms, [html.unescape(re.sub(r"^<v .*?>", "", line)) for line in lines[1:]]))
    return cues


@given(segments(), shapes)
def test_lines_and_cues_keep_to_their_limits(given_segments: list[Segment], shape: SubtitleShape) -> None:
    for cue in read(rendered(given_segments, shape=shape)):
        assert len(cue.lines) <= shape.max_lines
        for line in cue.lines:
            assert len(line) <= shape.max_line_length or " " not in line


@given(segments(), shapes, st.sampled_from(["srt", "vtt"]))
def test_every_word_appears_once(given_segments: list[Segment], shape: SubtitleShape, form: str) -> None:
    shown = [word for cue in read(rendered(given_segments, form, shape)) for line in cue.lines for word in line.split()]

    assert sorted(shown) == sorted(word.text for segment in given_segments for word in segment.words)


@given(segments(), shapes)
def test_cues_are_ordered_visible_and_never_overlap(given_segments: list[Segment], shape: SubtitleShape) -> None:
    cues = read(rendered(given_segments, shape=shape))

    assert all(cue.start_ms < cue.end_ms <= cue.start_ms + MAX_CUE_MS for cue in cues)
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(cues))


@given(segments(texts=word_texts), st.sampled_from(["srt", "vtt"]))
def test_no_text_of_a_recogniser_breaks_the_format(given_segments: list[Segment], form: str) -> None:
    text = rendered(given_segments, form)

    assert text.count("-->") == len(read(text))
    spoken = [segment for segment in given_segments if segment.text.split()]
    assert bool(read(text)) == bool(spoken)


def test_words_stay_in_order_within_a_speaker_who_is_interrupted() -> None:
    interrupted = make_segment("one two three four five six seven eight nine ten " * 3, speaker="S1")
    interruption = make_segment("no wait", index=1, start_s=5.0, speaker="S2")

    cues = read(rendered([interrupted, interruption]))

    said = " ".join(line for cue in cues for line in cue.lines)
    assert said.replace("no wait ", "").split() == interrupted.text.split()
    assert not said.endswith("no wait")


def test_lines_are_balanced_and_broken_where_phrases_end() -> None:
    segment = make_segment("It was the best of times, it was the worst of times.")

    assert read(rendered([segment]))[0].lines == ["It was the best of times,", "it was the worst of times."]


def test_a_cue_ends_with_its_sentence_where_that_costs_no_cue_more() -> None:
    segment = make_segment(
        "The season of Light had come to us all. It was the season of Darkness in every house and street."
    )

    assert [cue.lines[-1].split()[-1] for cue in read(rendered([segment]))] == ["all.", "street."]


def test_a_single_word_longer_than_a_line_is_kept_whole() -> None:
    long_word = "Donaudampfschifffahrtsgesellschaftskapitän"

    cues = read(rendered([make_segment(f"Der {long_word} kam")]))

    assert [line for cue in cues for line in cue.lines] == ["Der", long_word, "kam"]


def test_a_short_word_stays_on_screen_long_enough_to_be_read() -> None:
    cue = read(rendered([make_segment("Yes.", start_s=2.0)]))[0]

    assert (cue.start_ms, cue.end_ms) == (2_000, 3_000)


def test_hours_are_written_and_may_have_more_than_two_digits() -> None:
    text = rendered([make_segment("Late.", start_s=100 * 3600.0 + 61.5)], "vtt")

    assert "100:01:01.500 --> 100:01:02.500" in text


def test_vtt_escapes_text_and_names_the_speaker() -> None:
    text = rendered([make_segment("<b> & co", speaker="A>B")], "vtt")

    assert "\n<v A&gt;B>&lt;b&gt; &amp; co\n" in text


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_an_arrow_in_the_text_is_not_taken_for_a_time_line(form: str) -> None:
    assert rendered([make_segment("a --> b")], form).count("-->") == 1


def test_silence_gives_no_cues() -> None:
    assert (rendered([], "srt"), rendered([], "vtt")) == ("", "WEBVTT\n\n")


@pytest.mark.parametrize("limits", [(9, 2), (201, 2), (37, 0), (37, 11)])
def test_limits_out_of_range_are_refused_by_name(limits: tuple[int, int]) -> None:
    with pytest.raises(InvalidField, match=r"subtitles\.max_line"):
        SubtitleShape(*limits)
