"""Every method that a node serves is in the table, once and on purpose."""

import asyncio
from typing import Any

import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from stenod.v1 import transcription_service_pb2
from stenod_server.access.audit import ids_of
from stenod_server.domain.access import ANYBODY
from stenod_server.rpc.caller import address_of, caller, credentials_of, set_caller
from stenod_server.rpc.permissions import CHANGING, SCOPES

SERVICES = (
    transcription_service_pb2.DESCRIPTOR.services_by_name["TranscriptionService"],
    health_pb2.DESCRIPTOR.services_by_name["Health"],
    reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"],
)


class Call:
    """A call as gRPC shows it."""

    def __init__(self, *authorization: str, **shown: list[bytes]) -> None:
        self._metadata = [("authorization", value) for value in authorization]
        self._shown = shown

    def invocation_metadata(self) -> list[tuple[str, str]]:
        return self._metadata

    def auth_context(self) -> dict[str, list[bytes]]:
        return self._shown


def test_every_method_has_a_scope_and_only_a_probe_needs_none() -> None:
    served = {f"/{service.full_name}/{method.name}" for service in SERVICES for method in service.methods}

    assert served <= SCOPES.keys()
    assert SCOPES.keys() - served <= {"/grpc.health.v1.Health/List"}  # of later versions of the package
    assert [method for method, scope in SCOPES.items() if scope is None] == ["/grpc.health.v1.Health/Check"]


def test_what_needs_more_than_reading_is_audited_but_for_a_question() -> None:
    needs_submit = {path.rpartition("/")[2] for path, scope in SCOPES.items() if scope == "submit"}

    assert needs_submit - {"GetUpload"} == CHANGING


@pytest.mark.parametrize(
    ("authorization", "bearer"),
    [
        (["Bearer abc"], "abc"),
        (["bearer   abc "], "abc"),
        (["Basic abc"], ""),
        (["abc"], ""),
        ([], ""),
        (["Bearer abc", "Bearer def"], ""),
        (["Bearer abc", "Basic def"], ""),
    ],
)
def test_one_bearer_counts_and_two_are_none(authorization: list[str], bearer: str) -> None:
    context: Any = Call(*authorization)

    assert credentials_of(context).bearer == bearer


def test_a_certificate_has_its_alternative_names_before_its_common_name() -> None:
    context: Any = Call(x509_common_name=[b"cn"], x509_subject_alternative_name=[b"a.example", b"", b"b.example"])

    assert credentials_of(context).certificate_names == ("a.example", "b.example", "cn")


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.1:4711", "192.0.2.1"),
        ("ipv6:%5B2001:db8::1%5D:4711", "2001:db8::1"),
        ("ipv6:[::1]:4711", "::1"),
        ("unix:/run/stenod", "unix:/run/stenod"),
    ],
)
def test_the_other_end_is_known_without_its_port(peer: str, address: str) -> None:
    assert address_of(peer) == address


async def test_outside_a_call_that_was_admitted_nobody_is_the_caller() -> None:
    async def one_call() -> str:
        set_caller(ANYBODY)
        return caller().tenant

    assert await asyncio.create_task(one_call()) == "default"
    with pytest.raises(LookupError):
        caller()


def test_the_audit_log_names_jobs_and_uploads_and_nothing_else() -> None:
    pb = transcription_service_pb2
    submitted = pb.SubmitJobResponse()
    submitted.job.job_id = "j"
    submitted.job.media.file_name = "secret.wav"

    assert ids_of(submitted) == {"job_id": "j"}
    assert ids_of(pb.GetUploadRequest(upload_id="u")) == {"upload_id": "u"}
    assert ids_of(pb.SubmitJobRequest(request_id="r")) == {}
    assert ids_of(None) == {}
