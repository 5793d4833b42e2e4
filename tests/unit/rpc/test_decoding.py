"""What a job may ask of the recogniser, and how a wrong value is refused: by the name of its field."""

from dataclasses import replace
from typing import Any

import pytest

from stenod.v1 import job_pb2
from stenod_models import contract
from stenod_server.domain import job_rules
from stenod_server.domain.decoding import DEFAULT_BOOST, Decoding, Task, VocabularyEntry
from stenod_server.errors import InvalidField, LimitExceeded
from stenod_server.rpc import convert
from stenod_server.rpc.job_config import from_proto, to_proto
from stenod_server.scheduler.abilities import FIELDS
from tests.unit.scheduler.test_abilities import ABLE, PLAIN

ASKED = job_pb2.JobConfig(
    task=job_pb2.TASK_TRANSLATE,
    additional_vocabulary=[
        {"content": "  Sinn   Féin ", "sounds_like": ["shin fane"], "boost": 3.5},
        {"content": "Aoife"},
    ],
    decoding={"beam_size": 5, "prompt": " Of harps. "},
)
READ = Decoding(
    task=Task.TRANSLATE,
    vocabulary=(VocabularyEntry("Sinn Féin", ("shin fane",), 3.5), VocabularyEntry("Aoife")),
    beam_size=5,
    prompt="Of harps.",
)


def test_what_is_asked_is_read_and_given_back() -> None:
    config = from_proto(ASKED)
    assert config.decoding == READ
    assert from_proto(to_proto(config)) == config
    assert from_proto(job_pb2.JobConfig()).decoding == Decoding()
    assert not to_proto(from_proto(job_pb2.JobConfig())).HasField("decoding")


def _vocabulary(*entries: dict[str, Any]) -> job_pb2.JobConfig:
    return job_pb2.JobConfig(additional_vocabulary=entries)


PLACE = "config.additional_vocabulary"
FINE = {"content": "fine"}


@pytest.mark.parametrize(
    ("config", "field", "says"),
    [
        (job_pb2.JobConfig(task=7), "config.task", "7 is none"),  # type: ignore[arg-type]
        (_vocabulary(FINE, {"content": " "}), f"{PLACE}.1.content", "is empty"),
        (_vocabulary(FINE, {"content": "a", "sounds_like": ["b", ""]}), f"{PLACE}.1.sounds_like.1", "is empty"),
        (_vocabulary({"content": "a", "boost": 0}), f"{PLACE}.0.boost", "above 0 and at most 20, got 0"),
        (_vocabulary({"content": "a", "boost": 21}), f"{PLACE}.0.boost", "got 21"),
        (_vocabulary({"content": "a", "boost": float("nan")}), f"{PLACE}.0.boost", "got nan"),
        (job_pb2.JobConfig(decoding={"beam_size": 0}), "config.decoding.beam_size", "at least 1, got 0"),
    ],
)
def test_a_wrong_value_is_refused_by_name(config: job_pb2.JobConfig, field: str, says: str) -> None:
    with pytest.raises(InvalidField, match=says) as refused:
        from_proto(config)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("config", "field", "allowed"),
    [
        (_vocabulary(*[FINE] * 1001), PLACE, "1000"),
        (_vocabulary(FINE, {"content": "a b c d e f g"}), f"{PLACE}.1.content", "6"),
        (_vocabulary({"content": "a" * 129}), f"{PLACE}.0.content", "128"),
        (_vocabulary({"content": "a", "sounds_like": ["a b c d e f g"]}), f"{PLACE}.0.sounds_like.0", "6"),
        (_vocabulary({"content": "a", "sounds_like": ["b"] * 21}), f"{PLACE}.0.sounds_like", "20"),
        (job_pb2.JobConfig(decoding={"prompt": "x" * 4097}), "config.decoding.prompt", "4096"),
    ],
)
def test_too_much_is_refused_with_the_limit(config: job_pb2.JobConfig, field: str, allowed: str) -> None:
    with pytest.raises(LimitExceeded, match=f"more than {allowed} allowed") as refused:
        from_proto(config)
    assert refused.value.field == field


def test_as_much_as_is_allowed_is_taken_and_the_tensor_contract_takes_it_too() -> None:
    most = {"content": "a b c d e f", "sounds_like": ["b"] * 20, "boost": 20}
    config = from_proto(_vocabulary(*[most] * 1000))
    assert len(config.decoding.vocabulary) == 1000
    assert (job_rules.MAX_VOCABULARY, job_rules.MAX_BOOST) == (contract.MAX_HOTWORDS, contract.MAX_BOOST)
    assert contract.DEFAULT_BOOST == DEFAULT_BOOST
    assert {str(task) for task in Task} == {"transcribe", "translate"}


def test_the_fields_are_those_of_the_api() -> None:
    """An error of the scheduler names them."""
    for path in FIELDS.values():
        message = job_pb2.JobConfig.DESCRIPTOR
        for name in path.split(".")[1:]:
            field = message.fields_by_name[name]
            message = field.message_type or message


def test_a_model_says_what_it_can_do() -> None:
    plain, able = (convert.model(profile, is_default=False) for profile in (PLAIN, ABLE))
    assert (list(plain.tasks), plain.max_beam_size) == ([job_pb2.TASK_TRANSCRIBE], 1)
    assert (plain.takes_vocabulary, plain.takes_prompt) == (False, False)
    assert list(able.tasks) == [job_pb2.TASK_TRANSCRIBE, job_pb2.TASK_TRANSLATE]
    assert (able.max_beam_size, able.takes_vocabulary, able.takes_prompt) == (8, True, True)
    assert (plain.takes_punctuation_sensitivity, able.takes_punctuation_sensitivity) == (False, True)
    bare = convert.model(replace(PLAIN, writes_marks=False, writes_capitals=False), is_default=False)
    assert (plain.writes_punctuation, plain.writes_capitals) == (True, True)
    assert (bare.writes_punctuation, bare.writes_capitals) == (False, False)
