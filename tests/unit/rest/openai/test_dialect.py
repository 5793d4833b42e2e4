import json
from typing import Any

import pytest

from stenod_server import errors
from stenod_server.rest.openai.dialect import OpenAiDialect


def refused(error: errors.StenodError) -> tuple[int, dict[str, Any], dict[str, str]]:
    """(status, the error, headers)"""
    response = OpenAiDialect().refusal(error)
    body = json.loads(bytes(response.body))
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"message", "type", "param", "code"}
    assert body["error"]["message"] == error.message
    return response.status_code, body["error"], dict(response.headers)


BUSY = [
    errors.EnginesExhausted(requested=1, in_use=1, maximum=1),
    errors.QueueFull(5),
    errors.QuotaExceeded("audio_hours_per_day", allowed=1, retry_after_s=90.0),
    errors.TooManyCalls(5),
]
PASSING = [errors.EngineUnavailable("no Triton"), errors.Draining("bye"), errors.StoreUnavailable("no disk")]


@pytest.mark.parametrize("error", BUSY, ids=repr)
def test_a_busy_server_says_when_to_come_again(error: errors.Unavailable) -> None:
    status, body, headers = refused(error)
    assert (status, body["type"], body["code"]) == (429, "rate_limit_error", "rate_limit_exceeded")
    assert headers["retry-after"] == str(max(1, round(error.retry_after_s)))
    assert headers["retry-after-ms"] == str(round(error.retry_after_s * 1000))
    assert "x-should-retry" not in headers


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_passes_may_be_asked_again(error: errors.Unavailable) -> None:
    status, body, headers = refused(error)
    assert (status, body["type"]) == (503, "server_error")
    assert headers["retry-after"] == "1"
    assert "x-should-retry" not in headers


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.Unforeseen("abc"), 500),
        (errors.Broken("a leaf", reason="CONTRACT_VIOLATION"), 500),
        (errors.JobDeadlineExceeded("too late"), 504),
        (errors.InvalidRequest("too late", reason="JOB_DEADLINE_EXCEEDED"), 504),
        (errors.JobFinished("cancelled"), 409),
    ],
)
def test_what_its_clients_would_ask_again_in_vain_says_so(error: errors.StenodError, status: int) -> None:
    got, _, headers = refused(error)
    assert (got, headers["x-should-retry"]) == (status, "false")


@pytest.mark.parametrize(
    ("error", "status", "code", "param"),
    [
        (errors.Unauthenticated("who?"), 401, "invalid_api_key", None),
        (errors.PermissionDenied("OpenAiTranscribe", "submit"), 403, "permission_denied", None),
        (errors.ModelNotFound("gpt-9"), 404, "model_not_found", "model"),
        (errors.InvalidField("temperature", "hot"), 400, "invalid_field", "temperature"),
        (errors.UnsupportedFeature("include[]"), 400, "feature_not_built", "include[]"),
        (errors.LimitExceeded("file", limit="max_media_bytes", allowed=1), 413, "limit_exceeded", "file"),
        (errors.LimitExceeded("model", limit="characters of this field", allowed=1), 422, "limit_exceeded", "model"),
        (errors.IdempotencyMismatch("another"), 422, "idempotency_mismatch", None),
        (errors.InvalidRequest("a picture", reason="UNSUPPORTED_MEDIA"), 400, "unsupported_media", None),
        (errors.InvalidRequest("too long", reason="LIMIT_EXCEEDED"), 422, "limit_exceeded", None),
        (errors.InvalidRequest("no such language", reason="MODEL_NOT_FOUND"), 404, "model_not_found", None),
        (errors.EnginesUnsatisfiable(requested=9, in_use=0, maximum=1), 400, "engines_unsatisfiable", None),
    ],
)
def test_what_the_caller_can_mend(error: errors.StenodError, status: int, code: str, param: str | None) -> None:
    got, body, headers = refused(error)
    assert (got, body["code"], body["param"], body["type"]) == (status, code, param, "invalid_request_error")
    assert "x-should-retry" not in headers
    assert "retry-after" not in headers


def _leaves(kind: type[errors.StenodError]) -> list[type[errors.StenodError]]:
    return [kind, *(leaf for below in kind.__subclasses__() for leaf in _leaves(below))]


@pytest.mark.parametrize("kind", _leaves(errors.StenodError)[1:])
def test_every_error_has_an_answer(kind: type[errors.StenodError]) -> None:
    error = kind.__new__(kind)
    errors.StenodError.__init__(error, "something")
    error.__dict__.setdefault("limit", "")
    status, body, _ = refused(error)
    assert 400 <= status < 600
    assert body["code"]
