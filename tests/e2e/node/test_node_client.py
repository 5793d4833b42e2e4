"""The Node client's example, against a real server, and against one that breaks the connection."""

from pathlib import Path

import pytest

from tests.e2e.node.conftest import Node
from tests.support.models import models_dir_for_tests
from tests.unit.client.scripted import UNAVAILABLE, Script, scripted_server

MIB = 1024**2


@pytest.mark.triton
async def test_the_example_transcribes_speech(transcribe_js: Node, server_address: str) -> None:
    recording = models_dir_for_tests() / "moonshine-tiny-en" / "samples" / "two_cities.wav"

    status, out, err = await transcribe_js(server_address, recording)

    assert status == 0, err
    assert "SUCCEEDED 100 %" in err
    *words, text = out.splitlines()
    assert text.startswith("It was the best of times")
    starts = [float(word.split("\t")[0]) for word in words]
    assert [word.split("\t")[2] for word in words] == text.split()
    assert starts == sorted(starts)


async def test_a_broken_upload_and_a_broken_watch_go_on_where_they_were(transcribe_js: Node, tmp_path: Path) -> None:
    data = bytes(range(256)) * (5 * MIB // 256)
    (tmp_path / "talk.wav").write_bytes(data)
    script = Script(break_uploads_after=[MIB, 3 * MIB], break_watches_after=[2])
    script.faults["SubmitJob"] = [UNAVAILABLE]
    async with scripted_server(script) as address:
        status, out, err = await transcribe_js(address, tmp_path / "talk.wav")

    assert status == 0, err
    assert list(script.media.values()) == [data]
    assert len({request.request_id for request in script.requests("SubmitJob")}) == 1
    first, second, third = script.requests("UploadMedia")
    assert 0 == first.offset_bytes < second.offset_bytes < third.offset_bytes
    assert out.splitlines()[:2] == ["0.00\t0.50\tThe", "1.00\t1.50\tbest"]


async def test_a_failed_job_is_told_with_its_reason(transcribe_js: Node, tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    async with scripted_server(Script()) as address:
        status, out, err = await transcribe_js(address, tmp_path / "broken.wav")

    assert (status, out) == (1, "")
    assert err.splitlines()[-1].endswith("broken.wav: the media cannot be decoded: no audio stream")
