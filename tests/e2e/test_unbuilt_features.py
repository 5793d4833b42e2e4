"""A field whose feature is not built is refused by name, never ignored."""

from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from stenod.v1 import job_pb2, media_pb2
from stenod.v1 import transcription_service_pb2 as pb
from stenod.v1.transcription_service_pb2_grpc import TranscriptionServiceStub
from stenod_server.rpc.job_config import UNBUILT
from tests.support.node import fake_node

ASKED: dict[str, job_pb2.JobConfig] = {
    "formatting.punctuation_sensitivity": job_pb2.JobConfig(
        formatting=job_pb2.FormattingConfig(punctuation_sensitivity=0.25)
    ),
}


def test_every_unbuilt_field_is_tried_below() -> None:
    assert {unbuilt.path for unbuilt in UNBUILT} == set(ASKED)


async def test_each_is_refused_by_name(tmp_path: Any) -> None:
    async with fake_node(tmp_path) as node, grpc.aio.insecure_channel(node.address) as channel:
        stub: Any = TranscriptionServiceStub(channel)  # type: ignore[no-untyped-call]
        for path, config in ASKED.items():
            request = pb.SubmitJobRequest(media=media_pb2.MediaSource(inline=b"RIFF"), config=config)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.SubmitJob(request)
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED, path
            assert _error_info(refused.value).reason == "FEATURE_NOT_BUILT"
            assert _error_info(refused.value).metadata["field"] == f"config.{path}"


def _error_info(error: grpc.aio.AioRpcError) -> error_details_pb2.ErrorInfo:
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    return info
