"""A transcript is the same, whichever way it leaves."""

import json
from pathlib import Path

import stenod
from tests.support.http_node import http_node
from tests.support.waves import talk, write_wav

CONFIG = {
    "type": "transcription",
    "transcription_config": {"language": "en", "operating_point": "enhanced"},
    "translation_config": {"target_languages": ["fr"]},
    "output_config": {"srt_overrides": {"max_line_length": 20}},
}


async def test_what_came_through_a_dialect_leaves_by_grpc_as_it_leaves_there(tmp_path: Path) -> None:
    recording = write_wav(tmp_path / "talk.wav", talk(3.0))
    async with http_node(tmp_path) as http, stenod.Client(http.node.address) as grpc:
        files = {"data_file": recording.read_bytes()}
        answer = await http.client.post("/v2/jobs", files=files, data={"config": json.dumps(CONFIG)})
        job_id = answer.json()["id"]
        await grpc.wait(job_id)
        for form in ("json-v2", "txt", "srt"):
            there = await http.client.get(f"/v2/jobs/{job_id}/transcript", params={"format": form})
            here = "".join([piece async for piece in grpc.rendered(job_id, form)])
            assert here == there.text
            if form == "json-v2":
                metadata = there.json()["metadata"]
                assert metadata["transcription_config"] == CONFIG["transcription_config"]
                assert "translation_errors" in metadata
