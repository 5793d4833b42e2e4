import html
import re
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenod_server.domain.rendering import SubtitleShape
from stenod_server.domain.transcript import Segment
from stenod_server.errors import InvalidField
from stenod_server.text.render import TranscriptFormat, open_renderer, render
from tests.unit.text.transcripts import JOB, make_segment, make_word, segments, word_texts

TIME = r"(\d\d+):(\d\d):(\d\d)[.,](\d{3})"
UNNAMED = SubtitleShape(speaker_names=False)


@dataclass(frozen=True)
class ReadCue:
    start_ms: int
    end_ms: int
    lines: list[str]

    @property
    def text(self) -> str:
        return " ".join(self.lines)

    @property
    def characters_per_s(self) -> float:
        return len(self.text) * 1000 / (self.end_ms - self.start_ms)


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
        cues.append(ReadCue(start_ms, end_ms, [html.unescape(re.sub(r"</?v.*?>", "", line)) for line in lines[1:]]))
    return cues


def fast(text: str, *, start_s: float = 0.0, word_s: float = 0.1, **changes: Any) -> Segment:
    """Words without a pause between them."""
    words = tuple(
        make_word(word, start_s + word_s * n, start_s + word_s * (n + 1)) for n, word in enumerate(text.split())
    )
    return replace(Segment(0, words), **changes)


def test_a_cue_that_is_spoken_too_fast_stays_while_nobody_speaks() -> None:
    [cue, _] = read(rendered([fast("a fast word or two of ten characters"), make_segment("Later.", start_s=9.0)]))

    assert cue.start_ms == 0
    assert cue.end_ms == 1_800  # 36 characters, 20 a second


def test_a_cue_ends_a_gap_before_the_next_one() -> None:
    long = make_segment("It was the season of Darkness in every house and every street of the town, and then not.")

    first, second = read(rendered([long], shape=SubtitleShape(min_gap_ms=120)))[:2]

    assert second.start_ms - first.end_ms == 120
    assert second.start_ms % 400 == 0  # where its first word is said


def test_speakers_who_speak_too_fast_in_turn_have_a_line_each() -> None:
    turns = [fast("Who goes there?", speaker="S1"), fast("A friend of us.", start_s=0.35, speaker="S2")]

    assert [cue.lines for cue in read(rendered(turns))] == [["S1: Who goes there?", "S2: A friend of us."]]
    assert [cue.lines for cue in read(rendered(turns, shape=UNNAMED))] == [["- Who goes there?", "- A friend of us."]]
    assert "<v S1>- Who goes there?</v>\n<v S2>- A friend of us.</v>" in rendered(turns, "vtt")


def test_whose_voice_is_not_known_has_no_name() -> None:
    turns = [fast("Who goes there?", speaker="S1"), fast("A friend of us.", start_s=0.35, speaker="UU")]

    assert [cue.lines for cue in read(rendered(turns))] == [["S1: Who goes there?", "- A friend of us."]]
    assert "<v S1>- Who goes there?</v>\n- A friend of us." in rendered(turns, "vtt")
    [cue] = read(rendered([make_segment("A friend of us.", speaker="UU")]))
    assert cue.lines == ["A friend of us."]


def test_one_who_speaks_too_fast_fills_a_cue() -> None:
    in_haste = [fast("Let us go", speaker="S1"), fast("then, you and I.", start_s=0.35, speaker="S1")]

    assert [cue.lines for cue in read(rendered(in_haste))] == [["S1: Let us go then, you and I."]]


def test_a_last_word_that_would_be_gone_at_once_goes_with_those_before_it() -> None:
    turns = [
        make_segment("It was the best of times.", speaker="S1"),
        make_segment("As", index=1, start_s=2.5, speaker="S1"),
        make_segment(
            "she called to mind her father and then her mother and her brother", index=2, start_s=2.9, speaker="S2"
        ),
    ]

    first, second = [cue.text for cue in read(rendered(turns))][:2]

    assert first == "S1: It was the best of times. As"
    assert second.startswith("S2: she called")


def test_those_who_speak_at_the_same_time_share_the_time() -> None:
    text = "words that fill a line as well as they can and then they fill another one too"
    both = [make_segment(text, speaker="S1"), make_segment(text, start_s=0.3, index=1, speaker="S2")]

    speeds = [cue.characters_per_s for cue in read(rendered(both, shape=UNNAMED))]

    assert max(speeds) < 2 * min(speeds)


def test_srt_names_a_speaker_where_another_one_begins() -> None:
    turns = [
        make_segment("One.", speaker="S1"),
        make_segment("Two.", start_s=5, speaker="S1"),
        make_segment("Three.", start_s=10, speaker="S2"),
        make_segment("Four.", start_s=15, channel="agent"),
    ]

    assert [cue.lines for cue in read(rendered(turns))] == [["S1: One."], ["Two."], ["S2: Three."], ["agent: Four."]]
    assert [cue.lines for cue in read(rendered(turns, shape=UNNAMED))] == [["One."], ["Two."], ["Three."], ["Four."]]


def test_one_who_was_interrupted_is_named_again_within_the_limits() -> None:
    narrow = SubtitleShape(max_line_length=20, max_lines=1)
    text = "one line with twenty and one more line of 20. And the third is long."
    interrupted = fast(text, word_s=0.6, speaker="S1")
    interruption = make_segment("No!", index=1, start_s=1.0, speaker="S2")

    alone = [cue.text for cue in read(rendered([interrupted], shape=narrow))]
    cues = [cue.text for cue in read(rendered([interrupted, interruption], shape=narrow))]

    assert alone == ["S1: one line with", "twenty and one more", "line of 20. And", "the third is long."]
    assert cues == ["S1: one line with", "S2: No!", "S1: twenty and", "one more", *alone[2:]]


def test_a_name_counts_in_its_line_and_is_left_out_where_it_fills_the_cue() -> None:
    narrow = SubtitleShape(max_line_length=10, max_lines=1)

    assert [cue.lines for cue in read(rendered([make_segment("go away", speaker="S1")], shape=narrow))] == [
        ["S1: go"],
        ["away"],
    ]
    named = make_segment("go", speaker="Jane Elizabeth Doe")
    assert [cue.lines for cue in read(rendered([named], shape=narrow))] == [["go"]]


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_the_shape_of_the_job_holds_where_nobody_asks_for_another(form: str) -> None:
    job = replace(JOB, config=replace(JOB.config, subtitles=SubtitleShape(max_line_length=10)))
    text = "".join(render(open_renderer(TranscriptFormat(form), job), [make_segment("The season of Light")]))

    assert [cue.lines for cue in read(text)] == [["The season", "of Light"]]


@given(segments(texts=word_texts), st.sampled_from(["srt", "vtt"]))
def test_no_text_of_a_recogniser_breaks_the_format(given_segments: list[Segment], form: str) -> None:
    text = rendered(given_segments, form)

    assert text.count("-->") == len(read(text))
    spoken = [segment for segment in given_segments if segment.text.split()]
    assert bool(read(text)) == bool(spoken)


def test_words_stay_in_order_within_a_speaker_who_is_interrupted() -> None:
    interrupted = make_segment("one two three four five six seven eight nine ten " * 3, speaker="S1")
    interruption = make_segment("no wait", index=1, start_s=5.0, speaker="S2")

    cues = read(rendered([interrupted, interruption], shape=UNNAMED))

    said = " ".join(line for cue in cues for line in cue.lines)
    assert said.replace("no wait ", "").split() == interrupted.text.split()
    assert not said.endswith("no wait")


def test_lines_are_balanced_and_broken_where_phrases_end() -> None:
    segment = make_segment("It was the best of times, it was the worst of times.")

    assert read(rendered([segment]))[0].lines == ["It was the best of times,", "it was the worst of times."]


def test_what_takes_two_cues_is_shared_out_evenly_between_them() -> None:
    segment = fast("the biblical narratives apparently disagree with the story of old and of Egypt", word_s=0.6)

    assert [len(" ".join(cue.lines)) for cue in read(rendered([segment]))] == [34, 43]


def test_a_cue_ends_with_its_sentence_where_that_costs_no_cue_more() -> None:
    segment = make_segment(
        "The season of Light had come to us all. It was the season of Darkness in every house and street."
    )

    assert [cue.lines[-1].split()[-1] for cue in read(rendered([segment]))] == ["all.", "street."]


def test_a_word_of_several_parts_is_broken_between_them() -> None:
    segment = Segment(0, (make_word("two hundred and twenty thousand", 0.0, 2.0),))

    assert read(rendered([segment], shape=SubtitleShape(max_line_length=16)))[0].lines == [
        "two hundred and",
        "twenty thousand",
    ]


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


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"max_line_length": 9}, "max_line_length"),
        ({"max_line_length": 201}, "max_line_length"),
        ({"max_lines": 0}, "max_lines"),
        ({"max_lines": 11}, "max_lines"),
        ({"max_characters_per_s": 4.9}, "max_characters_per_second"),
        ({"max_characters_per_s": 101}, "max_characters_per_second"),
        ({"max_characters_per_s": float("nan")}, "max_characters_per_second"),
        ({"min_gap_ms": -1}, "min_gap"),
        ({"min_gap_ms": 1_001}, "min_gap"),
    ],
)
def test_limits_out_of_range_are_refused_by_name(limits: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField, match=rf"subtitles\.{field}"):
        SubtitleShape(**limits)
