"""What object stores send when an object has come: which object it is, out of three shapes.

- S3 event notifications (AWS through SNS, SQS or Lambda unwrapped; MinIO, Ceph and others as they are): `Records`, keys
  percent-encoded with `+` for blanks. https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
- Amazon EventBridge: one object, `detail-type` "Object Created", its key as it stands.
- What S3 sends when notifications are set up: `Event` "s3:TestEvent", of no object.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus

from stenod_server.errors import InvalidField

MAX_RECORDS: Final = 1000
_CREATED: Final = "Object Created"
_OBJECT: Final = {
    "type": "object",
    "required": ["bucket", "object"],
    "properties": {
        "bucket": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "minLength": 1}}},
        "object": {
            "type": "object",
            "required": ["key"],
            "properties": {
                "key": {"type": "string", "minLength": 1},
                "size": {"type": "integer", "minimum": 0},
                "eTag": {"type": ["string", "null"]},
                "etag": {"type": ["string", "null"]},
                "versionId": {"type": ["string", "null"]},
                "version-id": {"type": ["string", "null"]},
                "sequencer": {"type": ["string", "null"]},
            },
        },
    },
}
_RECORD: Final = {
    "type": "object",
    "required": ["eventName", "s3"],
    "properties": {"eventName": {"type": "string"}, "s3": _OBJECT},
}
SCHEMA: Final[Mapping[str, Any]] = {
    "anyOf": [
        {
            "title": "S3 event notification",
            "type": "object",
            "required": ["Records"],
            "properties": {"Records": {"type": "array", "maxItems": MAX_RECORDS, "items": _RECORD}},
        },
        {
            "title": "EventBridge",
            "type": "object",
            "required": ["detail-type", "detail"],
            "properties": {"detail-type": {"type": "string"}, "detail": _OBJECT},
        },
        {
            "title": "S3 test event",
            "type": "object",
            "required": ["Event"],
            "properties": {"Event": {"const": "s3:TestEvent"}},
        },
    ]
}


@dataclass(frozen=True, slots=True)
class CreatedObject:
    """`version`: its version's id where the bucket keeps versions, else its ETag, else its place in the order."""

    bucket: str
    key: str
    version: str
    size_bytes: int

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Events:
    """The objects that came, in order; of the other events (removals, directories, empty objects) how many."""

    created: Sequence[CreatedObject]
    ignored: int


def read_events(body: Mapping[str, Any]) -> Events:
    """Raises InvalidField for what is none of the shapes."""
    if "Records" in body:
        return _of_records(body["Records"])
    if "detail-type" in body:
        found = _object("detail", body.get("detail"), is_encoded=False)
        return _kept([found if body["detail-type"] == _CREATED else None])
    if body.get("Event") == "s3:TestEvent":
        return Events((), 1)
    raise InvalidField("body", "is neither an S3 event notification (Records) nor an event of EventBridge (detail)")


def _of_records(records: Any) -> Events:
    if not isinstance(records, list) or len(records) > MAX_RECORDS:
        raise InvalidField("Records", f"must be a list of at most {MAX_RECORDS}")
    found = []
    for place, record in enumerate(records):
        field = f"Records.{place}"
        name = _member(field, record, "eventName", str)
        one = _object(f"{field}.s3", _member(field, record, "s3", dict), is_encoded=True)
        found.append(one if name.removeprefix("s3:").startswith("ObjectCreated:") else None)
    return _kept(found)


def _kept(found: Sequence[CreatedObject | None]) -> Events:
    created = [one for one in found if one and one.size_bytes and not one.key.endswith("/")]
    return Events(created, len(found) - len(created))


def _object(field: str, value: Any, *, is_encoded: bool) -> CreatedObject:
    bucket = _member(f"{field}.bucket", _member(field, value, "bucket", dict), "name", str)
    given = _member(field, value, "object", dict)
    key = _member(f"{field}.object", given, "key", str)
    size_bytes = given.get("size", 1)  # an event that does not tell is not of an empty object
    if isinstance(size_bytes, bool) or not isinstance(size_bytes, int) or size_bytes < 0:
        raise InvalidField(f"{field}.object.size", "must be a whole number, at least 0")
    if not bucket or not key:
        raise InvalidField(field, "names no object")
    names = ("versionId", "version-id", "eTag", "etag", "sequencer")
    told = [given[name] for name in names if given.get(name) not in {None, "", "null"}]
    if not all(isinstance(one, str) for one in told):
        raise InvalidField(f"{field}.object", "its version must be text")
    version = told[0].strip('"') if told else ""
    return CreatedObject(bucket, unquote_plus(key) if is_encoded else key, version, size_bytes)


def _member(field: str, value: Any, name: str, kind: type) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get(name), kind):
        raise InvalidField(f"{field}.{name}", "is missing, or of another kind")
    return value[name]
