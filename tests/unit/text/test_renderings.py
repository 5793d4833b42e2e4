"""Any transcript, in the programs that other people read it with; tests.proofs.renderings does it with real ones."""

from hypothesis import given
from hypothesis import strategies as st

from stenod_server.domain.rendering import SubtitleShape
from stenod_server.domain.transcript import Segment
from stenod_server.text.render import TranscriptFormat, open_renderer, render
from tests.support.renderings import (
    faults_of_cues,
    faults_of_json_v2,
    faults_of_words,
    read_json_v2,
    read_srt,
    read_vtt,
)
from tests.unit.text.transcripts import JOB, MONEY, make_segment, segments, word_texts

SPEAKERS = ("S1", "S2")
shapes = st.builds(
    SubtitleShape, st.integers(10, 60), st.integers(1, 4), st.floats(5, 100), st.integers(0, 1_000), st.booleans()
)
transcripts = st.one_of(segments(), segments(texts=word_texts))


def rendered(form: TranscriptFormat, given_segments: list[Segment], shape: SubtitleShape | None = None) -> str:
    return "".join(render(open_renderer(form, JOB, shape), given_segments))


def words_of(given_segments: list[Segment]) -> list[str]:
    return [word.text for segment in given_segments for word in segment.words]


@given(transcripts, shapes)
def test_any_srt_is_read_by_srt_with_every_word_and_within_its_limits(
    given_segments: list[Segment], shape: SubtitleShape
) -> None:
    cues = read_srt(rendered(TranscriptFormat.SRT, given_segments, shape))
    assert [*faults_of_words(cues, words_of(given_segments), SPEAKERS), *faults_of_cues(cues, shape)] == []


@given(transcripts, shapes)
def test_any_vtt_is_read_by_webvtt_with_every_word_and_within_its_limits(
    given_segments: list[Segment], shape: SubtitleShape
) -> None:
    cues = read_vtt(rendered(TranscriptFormat.VTT, given_segments, shape))
    assert [*faults_of_words(cues, words_of(given_segments)), *faults_of_cues(cues, shape)] == []


@given(transcripts)
def test_any_json_v2_is_read_by_speechmatics_batch_in_order_and_whole(given_segments: list[Segment]) -> None:
    transcript = read_json_v2(rendered(TranscriptFormat.JSON_V2, given_segments))
    said = [
        (word.channel or segment.channel, word.speaker or segment.speaker, word.text)
        for segment in given_segments
        for word in segment.words
    ]
    assert list(faults_of_json_v2(transcript, said)) == []
    if said:
        channel, speaker, text = said[0]
        assert list(faults_of_json_v2(transcript, [(channel, f"{speaker}?", text), *said[1:]])) != []


def test_speechmatics_batch_reads_speakers_and_entities() -> None:
    said = [MONEY, make_segment("Thank you.", index=1, start_s=3, speaker="S1")]
    transcript = read_json_v2(rendered(TranscriptFormat.JSON_V2, said))
    assert transcript.transcript_text == "Um it's $5.\nSPEAKER S1: Thank you."
    entity = next(result for result in transcript.results if result.type == "entity")
    assert [word.alternatives[0].content for word in entity.spoken_form] == ["five", "dollars"]
    assert transcript.results[0].volume == 41.25
    assert transcript.results[0].alternatives[0].tags == ["disfluency"]
