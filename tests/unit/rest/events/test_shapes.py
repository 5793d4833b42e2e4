"""What is read out of the events of object stores."""

from typing import Any

import pytest

from stenod_server.errors import InvalidField
from stenod_server.rest.events.asked import Asked, OutputForm, submission
from stenod_server.rest.events.shapes import MAX_RECORDS, CreatedObject, read_events


def record(key: str = "a.wav", name: str = "ObjectCreated:Put", **given: Any) -> dict[str, Any]:
    return {"eventName": name, "s3": {"bucket": {"name": "b"}, "object": {"key": key, "size": 1, **given}}}


def test_keys_of_records_are_decoded_and_those_of_eventbridge_are_not() -> None:
    body = {"detail-type": "Object Created", "detail": {"bucket": {"name": "b"}, "object": {"key": "a+b%2B.wav"}}}
    assert [one.key for one in read_events(body).created] == ["a+b%2B.wav"]
    assert [one.key for one in read_events({"Records": [record("a+b%2B.wav")]}).created] == ["a b+.wav"]


@pytest.mark.parametrize(
    ("given", "version"),
    [
        ({"versionId": "v", "eTag": "e", "sequencer": "1"}, "v"),
        ({"versionId": "null", "eTag": '"e"', "sequencer": "1"}, "e"),
        ({"versionId": None, "sequencer": "1"}, "1"),
        ({}, ""),
    ],
)
def test_the_version_is_the_best_that_the_event_tells(given: dict[str, Any], version: str) -> None:
    assert [one.version for one in read_events({"Records": [record(**given)]}).created] == [version]


def test_what_is_no_recording_that_came_is_counted_and_left() -> None:
    records = [
        record(),
        record("folder/"),
        record(size=0),
        record(name="ObjectRemoved:Delete"),
        record(name="s3:ObjectCreated:CompleteMultipartUpload"),
        record(name="ObjectTagging:Put"),
    ]
    found = read_events({"Records": records})
    assert ([one.uri for one in found.created], found.ignored) == (["s3://b/a.wav"] * 2, 4)
    assert read_events({"Event": "s3:TestEvent"}).ignored == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"Records": "x"},
        {"Records": [1]},
        {"Records": [{"eventName": "x"}]},
        {"Records": [record(size="1")]},
        {"Records": [record(size=True)]},
        {"Records": [record(eTag=7)]},
        {"Records": [record(key="")]},
        {"Records": [record()] * (MAX_RECORDS + 1)},
        {"detail-type": "Object Created", "detail": []},
        {"Event": "s3:Other"},
    ],
)
def test_what_is_none_of_the_shapes_is_refused_by_a_field(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidField):
        read_events(body)


def test_the_same_event_is_the_same_request_and_whatever_differs_makes_another() -> None:
    asked = Asked(language="en", output="s3://out/x", forms=[OutputForm.JSON])
    created = CreatedObject("b", "a/x.wav", "v1", 7)

    def request_id(one: CreatedObject, given: Asked) -> str:
        return submission(one, given.config(), given.notification(one)).request_id

    same = request_id(created, asked)
    assert same == request_id(created, asked)
    others = [
        request_id(CreatedObject("b", "a/x.wav", "v2", 7), asked),
        request_id(CreatedObject("b", "a/y.wav", "v1", 7), asked),
        request_id(created, Asked(language="de", output="s3://out/x", forms=[OutputForm.JSON])),
        request_id(created, Asked(language="en", output="s3://out/y", forms=[OutputForm.JSON])),
        request_id(created, Asked(language="en", output="s3://out/x", forms=[OutputForm.SRT])),
    ]
    assert len({same, *others}) == 6
    assert asked.notification(created).url == "s3://out/x/a/x"


def test_a_result_is_not_taken_for_a_recording() -> None:
    asked = Asked(output="s3://b/out/")
    assert [asked.is_result(CreatedObject("b", key, "", 1)) for key in ("out/a.json", "out-2/a.wav")] == [True, False]
