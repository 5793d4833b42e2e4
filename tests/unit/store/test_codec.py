"""Rows are compact, readable, and give back what went in."""

import json
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenod_server.domain.decoding import Decoding, Hint, Option, Task, VocabularyEntry
from stenod_server.domain.formatting import Formatting
from stenod_server.domain.job import LowConfidenceAction
from stenod_server.domain.transcript import Entity, Segment, Word, WordTag
from stenod_server.store import codec, segment_codec
from stenod_server.store.tables import UtcDateTime
from tests.support.builders import make_config, make_segment

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_LABEL = st.sampled_from(["", "en", "left", "S1"])
_WORDS = st.builds(
    Word, _TEXT, st.integers(0, 2**40), st.integers(0, 2**40),
    st.integers(0, 10_000).map(lambda number: number / 10_000), _LABEL, _LABEL, _LABEL,
    st.none() | st.integers(0, 1000).map(lambda number: number / 10), st.sampled_from([(), (WordTag.DISFLUENCY,)]),
)  # fmt: skip
_PLAIN_WORDS = _WORDS.map(lambda word: replace(word, volume=None, tags=()))
_ENTITIES = st.builds(
    Entity, _LABEL, st.integers(0, 3), st.integers(1, 3), st.lists(_PLAIN_WORDS, max_size=3).map(tuple)
)
_SEGMENTS = st.builds(
    Segment, st.integers(0, 2**31 - 1), st.lists(_WORDS, min_size=1, max_size=5).map(tuple),
    _LABEL, _LABEL, _LABEL, st.booleans(), st.lists(_ENTITIES, max_size=2).map(tuple),
)  # fmt: skip


class _Row:
    """What the codec reads of a SQLAlchemy row."""

    def __init__(self, mapping: dict[str, object]) -> None:
        self._mapping = mapping


def _read_back(segment: Segment) -> Segment:
    row = _Row(segment_codec.segment_row("job", segment))
    return segment_codec.read_segment(row, final=segment.final)  # type: ignore[arg-type]


@given(_SEGMENTS)
def test_any_segment_is_read_as_it_was_written(segment: Segment) -> None:
    assert _read_back(segment) == segment


def test_a_plain_word_is_four_entries() -> None:
    row = segment_codec.segment_row("job", make_segment(0, "so it"))
    assert row["body"] == '{"words":[["so",0,1500,0.875],["it",1600,3100,0.875]]}'


def test_confidence_is_rounded_to_four_digits() -> None:
    word = replace(make_segment(0).words[0], confidence=0.123456789)
    assert json.loads(segment_codec.segment_row("job", Segment(0, (word,)))["body"])["words"][0][3] == 0.1235


def test_equal_configs_are_equal_text() -> None:
    assert codec.config_json(make_config(tags=("ü",))) == codec.config_json(make_config(tags=("ü",)))
    assert list(json.loads(codec.config_json(make_config()))) == sorted(json.loads(codec.config_json(make_config())))


def test_what_is_asked_of_the_recogniser_is_read_as_it_was_written() -> None:
    decoding = Decoding(
        task=Task.TRANSLATE,
        vocabulary=(VocabularyEntry("Sinn Féin", ("shin fane",), 3.5), VocabularyEntry("Aoife")),
        beam_size=5,
        prompt="Of harps.",
        hints=(Hint(Option.PROMPT, "prompt"),),
    )
    config = make_config(decoding=decoding)
    assert codec.read_config(codec.config_json(config)) == config


def test_what_to_do_about_an_uncertain_language_is_read_as_it_was_written() -> None:
    action = LowConfidenceAction.USE_DEFAULT_LANGUAGE
    read = codec.read_config(codec.config_json(make_config(low_confidence_action=action, default_language="de")))
    assert (read.low_confidence_action, read.default_language) == (action, "de")
    assert isinstance(read.low_confidence_action, LowConfidenceAction)


def test_a_config_that_was_stored_before_some_of_it_was_known_is_read() -> None:
    stored = json.loads(codec.config_json(make_config(tags=("t",))))
    for name in ("decoding", "low_confidence_action", "default_language"):
        del stored[name]
    read = codec.read_config(json.dumps(stored))
    assert read == make_config(tags=("t",))
    assert isinstance(read.decoding.task, Task)
    assert read.low_confidence_action is LowConfidenceAction.ALLOW


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        UtcDateTime().process_bind_param(datetime(2030, 1, 1), None)  # type: ignore[arg-type]  # noqa: DTZ001


def test_a_job_that_was_stored_before_there_was_formatting_keeps_its_punctuation() -> None:
    plain = json.loads(codec.config_json(make_config()))
    for name in ("formatting", "diarization"):
        del plain[name]
    assert codec.read_config(json.dumps(plain | {"punctuation": False})) == make_config(
        formatting=Formatting(punctuation=False)
    )


def test_configs_that_differ_in_what_does_not_compare_are_kept_apart() -> None:
    plain = make_config(formatting=Formatting())
    asked = make_config(formatting=Formatting(asked=("casing",)))
    assert plain == asked
    assert [codec.read_config(codec.config_json(one)).formatting.asked for one in (plain, asked)] == [(), ("casing",)]
