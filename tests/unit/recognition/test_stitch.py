from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.domain.transcript import Segment, Word
from stenod_server.recognition.stitch import Frame, SegmentRules, Stitcher


def _word(text: str, start_s: float, end_s: float, language: str = "en") -> Word:
    return Word(text, round(start_s * HZ), round(end_s * HZ), 0.9, language)


def _frame(index: int, start_s: float, end_s: float, keep: tuple[float, float] | None = None) -> Frame:
    keep_start_s, keep_end_s = keep or (start_s, end_s)
    return Frame(index, round(start_s * HZ), round(end_s * HZ), round(keep_start_s * HZ), round(keep_end_s * HZ))


def _stitch(*windows: tuple[Frame, list[Word]], rules: SegmentRules | None = None) -> list[Segment]:
    stitcher = Stitcher(rules)
    segments = [segment for frame, words in windows for segment in stitcher.feed(frame, stitcher.place(frame, words))]
    return segments + stitcher.finish()


def _texts(segments: list[Segment]) -> list[str]:
    return [segment.text for segment in segments]


def test_words_get_the_offset_of_their_window() -> None:
    (segment,) = _stitch((_frame(0, 100, 110), [_word("late", 2, 2.5)]))
    assert (segment.start_samples, segment.end_samples) == (102 * HZ, round(102.5 * HZ))


def test_a_pause_ends_a_segment() -> None:
    words = [_word("one", 0, 0.4), _word("two", 0.5, 0.9), _word("three", 2, 2.4)]
    assert _texts(_stitch((_frame(0, 0, 3), words))) == ["one two", "three"]


def test_a_sentence_ends_a_segment_once_it_is_long_enough() -> None:
    words = [_word("Yes.", 0, 0.4), _word("It", 0.5, 1), _word("was.", 1.1, 2.1), _word("Then", 2.2, 2.5)]
    assert _texts(_stitch((_frame(0, 0, 3), words))) == ["Yes. It was.", "Then"]


def test_an_abbreviation_ends_no_sentence() -> None:
    words = [_word("meet", 0, 1.5), _word("Dr.", 1.6, 2.4), _word("J.", 2.5, 2.6), _word("Smith", 2.7, 3)]
    assert _texts(_stitch((_frame(0, 0, 3), words))) == ["meet Dr. J. Smith"]


def test_whether_a_point_ends_a_sentence_may_be_the_next_words_to_say() -> None:
    for word, following, texts in (
        ("No.", "Then", ["it was No.", "Then"]),
        ("No.", "5", ["it was No. 5"]),
        ("etc.", "Then", ["it was etc.", "Then"]),
        ("etc.", "then", ["it was etc. then"]),
        ("p.m.", "Monday", ["it was p.m. Monday"]),
    ):
        words = [_word("it", 0, 1), _word("was", 1, 2), _word(word, 2, 2.4), _word(following, 2.5, 2.9)]
        assert _texts(_stitch((_frame(0, 0, 3), words))) == texts
        first, second = (_frame(0, 0, 2.4), words[:3]), (_frame(1, 2.4, 3), [_word(following, 0.1, 0.5)])
        assert _texts(_stitch(first, second)) == texts


def test_a_segment_never_runs_beyond_its_longest() -> None:
    words = [_word(f"w{n}", n, n + 0.9) for n in range(10)]
    rules = SegmentRules(max_samples=3 * HZ, max_words=100)
    segments = _stitch((_frame(0, 0, 10), words), rules=rules)
    assert [len(segment.words) for segment in segments] == [3, 3, 3, 1]
    assert len(_stitch((_frame(0, 0, 10), words), rules=SegmentRules(max_words=5))) == 2


def test_another_language_begins_a_segment() -> None:
    words = [_word("hello", 0, 0.4), _word("hallo", 0.5, 0.9, "de")]
    segments = _stitch((_frame(0, 0, 1), words))
    assert [segment.language for segment in segments] == ["en", "de"]


def test_a_segment_runs_on_over_a_seam_without_a_pause() -> None:
    first, second = (_frame(0, 0, 1), [_word("over", 0.4, 0.98)]), (_frame(1, 1, 2), [_word("there", 0.02, 0.4)])
    assert _texts(_stitch(first, second)) == ["over there"]


def test_a_window_that_ends_in_silence_gives_its_segment_at_once() -> None:
    stitcher = Stitcher()
    assert _texts(stitcher.feed(_frame(0, 0, 3), [_word("done", 0, 1)])) == ["done"]
    assert stitcher.finish() == []


def test_a_word_in_the_context_of_two_windows_is_kept_by_one() -> None:
    """Two windows of 20 s share 5 s; the seam is at 17.5 s."""
    heard = [_word("before", 16, 16.8), _word("astride", 17.3, 17.6), _word("after", 18, 18.5)]
    first = _frame(0, 0, 20, (0, 17.5))
    second = _frame(1, 15, 35, (17.5, 35))
    shifted = [replace(w, start_samples=w.start_samples - 15 * HZ, end_samples=w.end_samples - 15 * HZ) for w in heard]
    assert _texts(_stitch((first, heard), (second, shifted))) == ["before astride after"]


def test_a_word_timed_differently_by_two_windows_is_not_doubled() -> None:
    first = (_frame(0, 0, 20, (0, 17.5)), [_word("same,", 17.2, 17.7)])
    second = (_frame(1, 15, 35, (17.5, 35)), [_word("Same", 2.35, 2.9), _word("next", 3, 3.4)])
    assert _texts(_stitch(first, second)) == ["same, next"]


def test_a_word_said_twice_is_kept_twice() -> None:
    first = (_frame(0, 0, 1), [_word("very", 0.5, 1)])
    second = (_frame(1, 1, 2), [_word("very", 0, 0.4)])
    assert _texts(_stitch(first, second)) == ["very very"]


def test_silence_gives_nothing() -> None:
    assert _stitch((_frame(0, 0, 3), []), (_frame(1, 3, 6), [])) == []


_raw_words = st.lists(
    st.tuples(st.sampled_from(["a", "b.", "c,", "d?", "—"]), st.integers(-HZ, 12 * HZ), st.integers(-HZ, 12 * HZ)),
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(windows=st.lists(st.tuples(st.integers(1, 10), st.integers(0, 3), _raw_words), max_size=6))
def test_any_words_come_out_once_in_order_and_inside_their_windows(
    windows: list[tuple[int, int, list[tuple[str, int, int]]]],
) -> None:
    """Whatever a recogniser says, however badly timed, over windows with gaps."""
    at, frames, said = 0, [], 0
    for index, (length_s, gap_s, raw) in enumerate(windows):
        at += gap_s
        frames.append((_frame(index, at, at + length_s), [Word(t, start, end, 0.5, "en") for t, start, end in raw]))
        at += length_s
        said += len(raw)
    segments = _stitch(*frames)
    words = [word for segment in segments for word in segment.words]
    assert all(0 <= word.start_samples <= word.end_samples <= at * HZ for word in words)
    assert all(a.start_samples <= b.start_samples for a, b in pairwise(words))
    assert [word.text for word in words] == [text for _, _, raw in windows for text, _, _ in raw]
    assert len(words) == said


@settings(max_examples=200, deadline=None)
@given(
    lengths=st.lists(st.integers(1, HZ), min_size=1, max_size=40),
    context_s=st.floats(0.1, 3.0),
    kept_s=st.floats(1.0, 6.0),
)
def test_no_word_is_lost_or_doubled_where_windows_share_context(
    lengths: list[int], context_s: float, kept_s: float
) -> None:
    """A known script, cut into windows that overlap; each hears every word that lies in it whole."""
    script, at = [], 0
    for number, length in enumerate(lengths):
        script.append(Word(f"w{number}", at, at + length, 1.0, "en"))
        at += length
    context, kept = round(context_s * HZ) + HZ, round(kept_s * HZ)  # context longer than the longest word
    frames = []
    for index, start in enumerate(range(0, at, kept)):
        end = min(at, start + kept)
        frame = Frame(index, max(0, start - context), min(at, end + context), start, end)
        heard = [
            replace(
                w, start_samples=w.start_samples - frame.start_samples, end_samples=w.end_samples - frame.start_samples
            )
            for w in script
            if frame.start_samples <= w.start_samples and w.end_samples <= frame.end_samples
        ]
        frames.append((frame, heard))
    words = [word for segment in _stitch(*frames) for word in segment.words]
    assert words == script
