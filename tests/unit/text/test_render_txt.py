from dataclasses import replace

import pytest

from stenod_server.domain.transcript import Segment
from stenod_server.errors import JobNotFinished
from stenod_server.text.render import TranscriptFormat, open_renderer, render
from tests.unit.text.transcripts import JOB, make_segment


def rendered(*segments: Segment) -> str:
    return "".join(render(open_renderer(TranscriptFormat.TXT, JOB), segments))


def test_a_paragraph_is_a_line() -> None:
    assert rendered(make_segment("Hello, world."), make_segment("Bye.", start_s=1)) == "Hello, world. Bye.\n"
    assert rendered(make_segment("Hello, world."), make_segment("Bye.", start_s=9)) == "Hello, world.\nBye.\n"


def test_silence_gives_no_text_at_all() -> None:
    assert rendered() == ""


def test_a_speaker_is_named_where_somebody_else_begins_to_speak() -> None:
    text = rendered(
        make_segment("One.", speaker="S1"),
        make_segment("Two.", start_s=1, speaker="S1"),
        make_segment("Three.", start_s=9, speaker="S1"),
        make_segment("Four.", start_s=10, speaker="S2"),
    )

    assert text == "SPEAKER: S1\nOne. Two.\nThree.\nSPEAKER: S2\nFour.\n"


def test_channels_are_named_like_speakers() -> None:
    assert rendered(make_segment("One.", channel="agent")) == "SPEAKER: agent\nOne.\n"


def test_a_job_without_a_transcript_cannot_be_rendered() -> None:
    with pytest.raises(JobNotFinished, match="has no transcript"):
        open_renderer(TranscriptFormat.TXT, replace(JOB, info=None))
