"""The scorer itself, against cases worked by hand."""

from pathlib import Path

from bench.diarization_error import ErrorTimes, SpeakerTime, diarization_error, read_rttm

TRUTH = [SpeakerTime("A", 0, 10), SpeakerTime("B", 10, 20)]


def error(
    found: list[SpeakerTime], truth: list[SpeakerTime] = TRUTH, *, collar_s: float = 0.0, with_overlap: bool = True
) -> ErrorTimes:
    return diarization_error(truth, found, duration_s=30, collar_s=collar_s, with_overlap=with_overlap)


def test_the_truth_under_other_names_has_no_error() -> None:
    assert error([SpeakerTime("S2", 0, 10), SpeakerTime("S1", 10, 20)]) == ErrorTimes(20, 0, 0, 0)


def test_silence_misses_all_speech() -> None:
    found = error([])
    assert (found, found.rate) == (ErrorTimes(20, 20, 0, 0), 1)


def test_speech_of_nobody_is_a_false_alarm() -> None:
    found = [*TRUTH, SpeakerTime("A", 22, 26)]
    assert error(found) == ErrorTimes(20, 0, 4, 0)


def test_one_speaker_for_two_confuses_the_shorter() -> None:
    truth = [SpeakerTime("A", 0, 12), SpeakerTime("B", 12, 20)]
    assert error([SpeakerTime("S1", 0, 20)], truth) == ErrorTimes(20, 0, 0, 8)


def test_speakers_are_matched_for_the_most_time_in_all() -> None:
    """S1 shares 6 s with A and 5 s with B, S2 4 s with A alone: A is S2 and B is S1, though A is the best of S1."""
    truth = [SpeakerTime("A", 0, 10), SpeakerTime("B", 10, 15)]
    found = [SpeakerTime("S1", 0, 6), SpeakerTime("S2", 6, 10), SpeakerTime("S1", 10, 15)]
    assert error(found, truth) == ErrorTimes(15, 0, 0, 6)


def test_where_two_talk_both_are_scored() -> None:
    truth = [SpeakerTime("A", 0, 10), SpeakerTime("B", 8, 20)]
    found = [SpeakerTime("S1", 0, 9), SpeakerTime("S2", 9, 20)]
    assert error(found, truth) == ErrorTimes(22, 2, 0, 0)
    assert error(found, truth, with_overlap=False) == ErrorTimes(18, 0, 0, 0)


def test_the_collar_forgives_what_is_near_an_edge() -> None:
    late = [SpeakerTime("S1", 0.2, 10.2), SpeakerTime("S2", 10.2, 20.2)]
    assert error(late).rate > 0
    assert error(late, collar_s=0.25) == ErrorTimes(19, 0, 0, 0)


def test_errors_of_recordings_add_up() -> None:
    both = ErrorTimes(10, 1, 0, 0) + ErrorTimes(30, 0, 2, 1)
    assert (both, both.rate) == (ErrorTimes(40, 1, 2, 1), 0.1)


def test_nothing_said_and_nothing_heard_is_no_error() -> None:
    assert (error([], []).rate, error([SpeakerTime("S1", 0, 1)], []).rate) == (0, 1)


def test_rttm_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.rttm"
    path.write_text("SPEAKER a 1 1.5 2.25 <NA> <NA> MÉO069 <NA> <NA>\n\nNON-SPEECH a 1 0 1 <NA> <NA> x <NA> <NA>\n")
    assert read_rttm(path) == [SpeakerTime("MÉO069", 1.5, 3.75)]
