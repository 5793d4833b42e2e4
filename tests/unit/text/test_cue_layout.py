"""Where cues are cut."""

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from stenod_server.domain.rendering import SubtitleShape
from stenod_server.text.cue_layout import Piece, cut_into_cues, reading_ms, width

SHAPE = SubtitleShape(max_lines=2, max_line_length=20)
GAP_MS = SHAPE.min_gap_ms


@st.composite
def speech(draw: st.DrawFn) -> list[Piece]:
    """Up to nine words, slow and fast, that fit in one cue or in several."""
    pieces, at_ms = [], 0
    for _ in range(draw(st.integers(1, 9))):
        text = "x" * draw(st.integers(1, 9)) + draw(st.sampled_from(["", "", ".", ","]))
        end_ms = at_ms + draw(st.integers(10, 700))
        pieces.append(Piece(text, at_ms, end_ms))
        at_ms = end_ms + draw(st.sampled_from([0, 0, 100, 900]))
    return pieces


def hurried(cues: Sequence[Sequence[Piece]], until_ms: int) -> int:
    """How many are gone before they are read."""
    ends_ms = [*(cue[0].start_ms - GAP_MS for cue in cues[1:]), until_ms]
    return sum(
        end_ms - cue[0].start_ms < reading_ms(width(cue), SHAPE) for cue, end_ms in zip(cues, ends_ms, strict=True)
    )


def every_cut(pieces: Sequence[Piece]) -> Iterator[list[Sequence[Piece]]]:
    """All that fit in the shape, the slow way."""
    for count in range(len(pieces)):
        for places in combinations(range(1, len(pieces)), count):
            cues = [pieces[start:end] for start, end in pairwise([0, *places, len(pieces)])]
            if all(len(cut_into_cues(cue, SHAPE, until_ms=10**9)) == 1 for cue in cues):
                yield cues


@given(speech(), st.integers(0, 3_000))
def test_no_other_cut_has_fewer_cues_that_are_gone_too_early(pieces: list[Piece], pause_ms: int) -> None:
    until_ms = pieces[-1].end_ms + pause_ms

    cues = cut_into_cues(pieces, SHAPE, until_ms=until_ms)

    assert [piece for cue in cues for piece in cue] == pieces
    assert hurried(cues, until_ms) == min(hurried(cut, until_ms) for cut in every_cut(pieces))


def test_the_name_of_a_speaker_is_never_alone() -> None:
    pieces = [Piece("Jane:", 0, 0), Piece("incomprehensibly", 0, 8_000), Piece("so", 8_000, 8_100)]

    cues = cut_into_cues(pieces, SubtitleShape(max_line_length=20, max_lines=2), until_ms=9_000, lead=1)

    assert [len(cue) for cue in cues] == [2, 1]
