"""How a text is to be written, in the API's words."""

from typing import Any

import pytest

from stenod.v1 import job_pb2
from stenod_server.domain.formatting import MARKS, Formatting, ProfanityFilter, Replacement
from stenod_server.errors import InvalidRequest
from stenod_server.rpc.formatting import from_proto, to_proto

ALL = Formatting(
    permitted_marks=(".", "?"),
    punctuation_sensitivity=0.7,
    numerals=True,
    entities=True,
    casing=False,
    remove_disfluencies=True,
    profanity_filter=ProfanityFilter.MASK,
    output_locale="en-GB",
    volume_threshold=3.4,
    replacements=(Replacement("steno d", "stenod"), Replacement(r"/gr[ae]y/", "")),
)
REPLACEMENTS = "config.formatting.replacements"


def test_everything_is_read_and_given_back() -> None:
    written = job_pb2.FormattingConfig(
        permitted_marks=[".", "?"],
        punctuation_sensitivity=0.7,
        numerals=True,
        entities=True,
        casing=False,
        remove_disfluencies=True,
        profanity_filter=job_pb2.PROFANITY_FILTER_MASK,
        output_locale="en-GB",
        volume_threshold=3.4,
        replacements=[
            job_pb2.Replacement(pattern="steno d", replacement="stenod"),
            job_pb2.Replacement(pattern=r"/gr[ae]y/"),
        ],
    )
    assert from_proto(written) == ALL
    assert from_proto(to_proto(ALL)) == ALL


@pytest.mark.parametrize("config", [Formatting(), Formatting(punctuation=False)])
def test_what_is_as_ever_is_as_ever_again(config: Formatting) -> None:
    assert from_proto(to_proto(config)) == config


def test_nothing_said_is_the_text_of_the_recogniser() -> None:
    assert from_proto(job_pb2.FormattingConfig()) == Formatting()
    assert not from_proto(job_pb2.FormattingConfig()).numerals


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_ratios_include_both_their_ends(edge: float) -> None:
    assert from_proto(job_pb2.FormattingConfig(punctuation_sensitivity=edge)).punctuation_sensitivity == edge
    assert from_proto(job_pb2.FormattingConfig(volume_threshold=edge * 100)).volume_threshold == edge * 100


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ({"punctuation_sensitivity": 1.5}, "config.formatting.punctuation_sensitivity: must be from 0 to 1, got 1.5"),
        ({"punctuation_sensitivity": float("nan")}, "config.formatting.punctuation_sensitivity: must be from 0 to 1"),
        ({"volume_threshold": -1}, "config.formatting.volume_threshold: must be from 0 to 100, got -1"),
        ({"volume_threshold": 100.5}, "config.formatting.volume_threshold: must be from 0 to 100, got 100.5"),
        ({"permitted_marks": [".", "a"]}, f"config.formatting.permitted_marks.1: 'a' is no mark; there are {MARKS}"),
        ({"permitted_marks": [".,"]}, "config.formatting.permitted_marks.0: '.,' is no mark"),
        ({"permitted_marks": [""]}, "config.formatting.permitted_marks.0: '' is no mark"),
        ({"punctuation": False, "permitted_marks": ["."]}, "config.formatting.permitted_marks: goes with punctuation"),
        (
            {"punctuation": False, "punctuation_sensitivity": 0.7},
            "config.formatting.punctuation_sensitivity: goes with punctuation alone",
        ),
        ({"output_locale": "en_GB"}, "config.formatting.output_locale: 'en_GB' is no BCP-47 code like 'en-GB'"),
        ({"profanity_filter": 9}, "config.formatting.profanity_filter: 9 is none that this server knows"),
        ({"replacements": [{"pattern": "a"}, {"pattern": " "}]}, f"{REPLACEMENTS}.1: has no text to be replaced"),
        ({"replacements": [{"pattern": "a" * 257}]}, f"{REPLACEMENTS}.0: more than 256 allowed"),
        (
            {"replacements": [{"pattern": "a", "replacement": "b" * 257}]},
            f"{REPLACEMENTS}.0: more than 256 allowed",
        ),
        (
            {"replacements": [{"pattern": "a"}] * 1001},
            f"{REPLACEMENTS}: more than 1000 allowed by replacements of a job, got 1001",
        ),
        (
            {"replacements": [{"pattern": "/a/"}] * 101},
            f"{REPLACEMENTS}: more than 100 allowed by regular expressions of a job, got 101",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(asked: dict[str, Any], refusal: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        from_proto(job_pb2.FormattingConfig(**asked))
    assert refused.value.message.startswith(refusal)


def test_what_is_on_by_itself_is_known_to_be_asked_for_or_not() -> None:
    assert from_proto(job_pb2.FormattingConfig()).asked == ()
    assert from_proto(job_pb2.FormattingConfig(punctuation=False, casing=False)).asked == ()
    both = from_proto(job_pb2.FormattingConfig(punctuation=True, casing=True))
    assert both.asked == ("punctuation", "casing")
    assert to_proto(both).casing
    assert not to_proto(Formatting()).HasField("casing")
