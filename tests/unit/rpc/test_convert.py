"""Transcripts as messages."""

from dataclasses import replace

import pytest

from stenod.v1 import speaker_pb2, transcript_pb2
from stenod_server.domain.transcript import Entity, Speaker, WordTag
from stenod_server.rpc import convert
from stenod_server.text.turns import Turn
from tests.support.builders import make_info, make_segment


def test_a_segment_says_all_that_is_known_of_it() -> None:
    plain = make_segment(3, "um $5")
    um = replace(plain.words[0], volume=41.5, tags=(WordTag.DISFLUENCY, WordTag.PROFANITY), confidence=0.5)
    said = replace(plain, words=(um, plain.words[1]), entities=(Entity("money", 1, 1, plain.words[1:]),))

    message = convert.segment(said, Turn(2, 4))

    assert message.words[0].volume == 41.5
    assert message.words[0].tags == [transcript_pb2.WORD_TAG_DISFLUENCY, transcript_pb2.WORD_TAG_PROFANITY]
    assert not message.words[1].HasField("volume")
    [entity] = message.entities
    assert (entity.kind, entity.first_word, entity.word_count) == ("money", 1, 1)
    assert [word.text for word in entity.spoken_words] == ["$5"]
    assert message.confidence == pytest.approx((0.5 + 0.875) / 2)
    assert (message.utterance_index, message.paragraph_index) == (2, 4)


def test_turns_are_not_known_while_a_job_runs() -> None:
    message = convert.segment(make_segment(0))
    assert not message.HasField("utterance_index")
    assert not message.HasField("paragraph_index")


def test_the_facts_name_speakers_and_channels() -> None:
    message = convert.info(make_info(speakers=(Speaker("S1", ("id",)), Speaker("UU")), channels=("left", "right")))
    assert list(message.speakers) == [
        speaker_pb2.Speaker(label="S1", identifiers=["id"]),
        speaker_pb2.Speaker(label="UU"),
    ]
    assert message.channels == ["left", "right"]


@pytest.mark.parametrize("tag", WordTag)
def test_every_tag_has_its_number(tag: WordTag) -> None:
    segment = make_segment(0)
    tagged = replace(segment, words=(replace(segment.words[0], tags=(tag,)),))
    assert transcript_pb2.WordTag.Name(convert.segment(tagged).words[0].tags[0]) == f"WORD_TAG_{tag.name}"


def test_a_word_at_the_very_start_has_its_offset() -> None:
    word = replace(make_segment(0).words[0], start_samples=0, end_samples=40_001)
    message = convert.segment(replace(make_segment(0), words=(word,))).words[0]
    assert message.HasField("start_offset")
    assert (message.start_offset.ToNanoseconds(), message.end_offset.ToNanoseconds()) == (0, 2_500_062_500)
