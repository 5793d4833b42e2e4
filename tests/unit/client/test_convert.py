"""What was said, as the client gives it."""

from stenod import Entity, Word, _convert
from stenod.v1 import speaker_pb2, transcript_pb2


def _word(text: str, **said: object) -> transcript_pb2.Word:
    return transcript_pb2.Word(text=text, **said)  # type: ignore[arg-type]


def test_words_have_what_was_measured_and_what_they_are() -> None:
    profanity = transcript_pb2.WORD_TAG_PROFANITY
    words = [_word("damn,", volume=0.0, tags=[profanity, 99], channel="agent", speaker="S1"), _word("um")]
    first, second = _convert.segment(transcript_pb2.Segment(words=words)).words
    assert (first.volume, first.tags, first.channel, first.speaker) == (0.0, ("profanity",), "agent", "S1")
    assert (second.volume, second.tags) == (None, ())


def test_a_segment_says_how_sure_it_is_and_to_which_turn_it_belongs_once_that_is_known() -> None:
    early = _convert.segment(transcript_pb2.Segment(confidence=0.5))
    done = _convert.segment(transcript_pb2.Segment(confidence=0.5, utterance_index=0, paragraph_index=2))
    assert (early.confidence, early.utterance, early.paragraph) == (0.5, None, None)
    assert (done.confidence, done.utterance, done.paragraph) == (0.5, 0, 2)


def test_an_entity_has_the_words_it_is_written_with_and_those_that_were_spoken() -> None:
    spoken = [_word(text) for text in ("twenty", "dollars")]
    entity = transcript_pb2.Entity(kind="money", first_word=1, word_count=1, spoken_words=spoken)
    segment = transcript_pb2.Segment(words=[_word("costs"), _word("$20.")], entities=[entity])
    assert _convert.segment(segment).entities == (
        Entity("money", (_plain("$20."),), (_plain("twenty"), _plain("dollars"))),
    )


def _plain(text: str) -> Word:
    return Word(text, 0.0, 0.0, 0.0, "", "", "")


def test_identifiers_are_given_as_later_jobs_take_them() -> None:
    speakers = [speaker_pb2.Speaker(label="S1", identifiers=["one"]), speaker_pb2.Speaker(label="UU")]
    info = transcript_pb2.TranscriptInfo(speakers=speakers, channels=["agent", "caller"])
    transcript = _convert.transcript("job", info, ())
    assert transcript.speakers == ("S1", "UU")
    assert transcript.speaker_identifiers == {"S1": ("one",)}
    assert transcript.channels == ("agent", "caller")
