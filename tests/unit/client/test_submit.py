import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from google.rpc import code_pb2

import stenod
from stenod.v1 import job_pb2, speaker_pb2
from tests.unit.client.scripted import UNAVAILABLE, Script, make_status, with_retry_after

MIB = 1024**2
LARGE = bytes(range(256)) * (5 * 4096)  # 5 MiB: more than travels inline


async def in_pieces(data: bytes, size: int = 300_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def test_a_small_recording_travels_with_the_request(client: stenod.Client, script: Script) -> None:
    job = await client.submit(b"RIFF", file_name="a.wav")

    assert (job.state, job.file_name, script.media[job.job_id]) == ("QUEUED", "a.wav", b"RIFF")
    assert not script.requests("UploadMedia")


async def test_a_large_file_is_uploaded_in_chunks(client: stenod.Client, script: Script, tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(LARGE)

    job = await client.submit(path)

    assert script.media[job.job_id] == LARGE
    assert script.requests("UploadMedia")[0].size_bytes == len(LARGE)
    assert job.file_name == "talk.wav"


@pytest.mark.parametrize("size_bytes", [3 * MIB, 3 * MIB + 1])
async def test_a_stream_of_unknown_length_arrives_whole(client: stenod.Client, script: Script, size_bytes: int) -> None:
    job = await client.submit(in_pieces(LARGE[:size_bytes]))

    assert script.media[job.job_id] == LARGE[:size_bytes]
    assert [upload.size_bytes for upload in script.requests("UploadMedia")] == ([] if size_bytes == 3 * MIB else [0])


async def test_an_open_file_is_read_to_its_end(client: stenod.Client, script: Script) -> None:
    job = await client.submit(io.BytesIO(LARGE))

    assert script.media[job.job_id] == LARGE


@pytest.mark.parametrize("source", ["bytes", "file", "stream"])
async def test_a_broken_upload_goes_on_where_the_server_is(
    client: stenod.Client, script: Script, tmp_path: Path, source: str
) -> None:
    script.break_uploads_after = [MIB, 3 * MIB]
    (tmp_path / "a.wav").write_bytes(LARGE)
    media: Any = {"bytes": LARGE, "file": tmp_path / "a.wav", "stream": in_pieces(LARGE)}[source]

    job = await client.submit(media)

    assert script.media[job.job_id] == LARGE
    first, second, third = script.requests("UploadMedia")
    assert first.upload_id == second.upload_id == third.upload_id
    assert 0 == first.offset_bytes < MIB <= second.offset_bytes < 3 * MIB <= third.offset_bytes


@pytest.mark.parametrize(
    ("code", "reason"),
    [(code_pb2.FAILED_PRECONDITION, "UPLOAD_OFFSET_MISMATCH"), (code_pb2.NOT_FOUND, "UPLOAD_NOT_FOUND")],
)
async def test_a_stale_offset_is_asked_for_again(client: stenod.Client, script: Script, code: int, reason: str) -> None:
    script.faults["UploadMedia"] = [make_status(code, reason)]

    job = await client.submit(LARGE)

    assert script.media[job.job_id] == LARGE


async def test_an_upload_that_cannot_be_read_fails_with_the_reader_s_error(client: stenod.Client) -> None:
    async def torn() -> AsyncIterator[bytes]:
        yield LARGE
        message = "the microphone is gone"
        raise OSError(message)

    with pytest.raises(OSError, match="microphone"):
        await client.submit(torn())


async def test_a_refused_upload_raises_what_the_server_said(client: stenod.Client, script: Script) -> None:
    script.faults["UploadMedia"] = [make_status(code_pb2.INVALID_ARGUMENT, "LIMIT_EXCEEDED", limit="max_media_bytes")]

    with pytest.raises(stenod.errors.InvalidRequest) as caught:
        await client.submit(LARGE)

    assert caught.value.metadata["limit"] == "max_media_bytes"


async def test_every_try_of_a_submit_carries_the_same_request_id(client: stenod.Client, script: Script) -> None:
    script.faults["SubmitJob"] = [UNAVAILABLE, make_status(code_pb2.CANCELLED, "")]  # a server that stops says either

    await client.submit(b"RIFF")

    ids = {request.request_id for request in script.requests("SubmitJob")}
    assert len(script.requests("SubmitJob")) == 3
    assert len(ids) == 1
    assert UUID(ids.pop()).version == 4


async def test_two_submits_are_two_jobs_unless_the_caller_says_they_are_one(client: stenod.Client) -> None:
    one, other = await client.submit(b"RIFF"), await client.submit(b"RIFF")
    same, again = [await client.submit(b"RIFF", request_id="mine") for _ in range(2)]

    assert one.job_id != other.job_id
    assert same.job_id == again.job_id


@pytest.mark.parametrize("code", [code_pb2.RESOURCE_EXHAUSTED, code_pb2.INTERNAL, code_pb2.DEADLINE_EXCEEDED])
async def test_only_unavailable_is_retried(client: stenod.Client, script: Script, code: int) -> None:
    script.faults["SubmitJob"] = [make_status(code, "QUEUE_FULL")]

    with pytest.raises(stenod.StenodError):
        await client.submit(b"RIFF")

    assert len(script.requests("SubmitJob")) == 1


async def test_a_full_server_is_asked_again_only_by_those_who_chose_to_wait(address: str, script: Script) -> None:
    full = with_retry_after(make_status(code_pb2.RESOURCE_EXHAUSTED, "QUEUE_FULL"), 0.001)
    script.faults["SubmitJob"] = [full, full, full]

    async with stenod.Client(address, retry=stenod.RetryPolicy(busy_s=10.0)) as patient:
        assert (await patient.submit(b"RIFF")).state == "QUEUED"
    script.faults["SubmitJob"] = [full]
    async with stenod.Client(address) as hasty:
        with pytest.raises(stenod.errors.Busy):
            await hasty.submit(b"RIFF")


async def test_patience_ends(client: stenod.Client, script: Script) -> None:
    script.faults["SubmitJob"] = [UNAVAILABLE] * 10

    with pytest.raises(stenod.errors.Unavailable):
        await client.submit(b"RIFF")

    assert len(script.requests("SubmitJob")) == 3


async def test_options_are_laid_over_the_config(client: stenod.Client, script: Script) -> None:
    config = job_pb2.JobConfig(language="de", user_id="u")

    await client.submit(
        b"RIFF", config=config, language="en", parallel_engines=2, diarization="channel", start_s=1.5, tags=["a"]
    )

    sent = script.requests("SubmitJob")[0].config
    assert (sent.language, sent.user_id, sent.scheduling.parallel_engines) == ("en", "u", 2)
    assert sent.diarization.mode == job_pb2.DIARIZATION_MODE_CHANNEL
    assert (sent.start_offset.seconds, sent.start_offset.nanos, list(sent.tracking.tags)) == (1, 500_000_000, ["a"])
    assert config.language == "de"


async def test_what_is_asked_of_the_recogniser_is_sent(client: stenod.Client, script: Script) -> None:
    config = job_pb2.JobConfig(additional_vocabulary=[job_pb2.VocabularyEntry(content="laid over")])
    entry: stenod.VocabularyEntry = {"content": "Aoife", "sounds_like": ["eefa"], "boost": 3.0}

    await client.submit(
        b"RIFF", config=config, task="translate", vocabulary=[entry, "Sinn Féin"], beam_size=5, prompt="Of harps."
    )

    sent = script.requests("SubmitJob")[0].config
    assert (sent.task, sent.decoding.beam_size, sent.decoding.prompt) == (job_pb2.TASK_TRANSLATE, 5, "Of harps.")
    first, second = sent.additional_vocabulary
    assert (first.content, list(first.sounds_like), first.boost) == ("Aoife", ["eefa"], 3.0)
    assert (second.content, second.HasField("boost")) == ("Sinn Féin", False)
    for wrong in ("Aoife", [5]):
        with pytest.raises(TypeError, match="vocabulary"):
            await client.submit(b"RIFF", vocabulary=wrong)  # type: ignore[arg-type]
    with pytest.raises(stenod.errors.InvalidRequest, match="task: 'sing' is none of transcribe, translate"):
        await client.submit(b"RIFF", task="sing")  # type: ignore[arg-type]


async def test_an_address_is_left_to_the_server_to_fetch(client: stenod.Client, script: Script) -> None:
    await client.submit("https://example.com/a.mp3")

    assert script.requests("SubmitJob")[0].media.uri == "https://example.com/a.mp3"


async def test_headers_go_with_an_address_and_with_nothing_else(client: stenod.Client, script: Script) -> None:
    await client.submit("https://example.com/a.mp3", headers={"Authorization": "Bearer x", "X-Trace": "1"})
    with pytest.raises(stenod.errors.InvalidRequest, match="headers go with an address"):
        await client.submit(b"RIFF", headers={"Authorization": "Bearer x"})

    (sent,) = script.requests("SubmitJob")
    assert [(header.name, header.value) for header in sent.media.headers] == [
        ("Authorization", "Bearer x"),
        ("X-Trace", "1"),
    ]


async def test_an_unknown_option_or_value_is_refused_before_anything_is_sent(
    client: stenod.Client, script: Script
) -> None:
    with pytest.raises(TypeError, match="langauge"):
        await client.submit(b"RIFF", langauge="en")  # type: ignore[call-arg]
    with pytest.raises(stenod.errors.InvalidRequest, match="none, channel, speaker"):
        await client.submit(b"RIFF", diarization="voices")  # type: ignore[arg-type]

    assert not script.calls


async def test_who_speaks_and_how_it_is_written_is_laid_over_the_config(client: stenod.Client, script: Script) -> None:
    config = job_pb2.JobConfig(
        formatting=job_pb2.FormattingConfig(
            casing=False, replacements=[job_pb2.Replacement(pattern="laid")], permitted_marks=["laid"]
        ),
        diarization=job_pb2.DiarizationConfig(known_speakers=[speaker_pb2.KnownSpeaker(label="laid")]),
    )

    await client.submit(
        b"RIFF",
        config=config,
        diarization="speaker",
        known_speakers={"Ann": ["one"]},
        numerals=True,
        permitted_marks=["."],
        replacements={"a": "b"},
        subtitles={"max_lines": 1, "min_gap_s": 0.25},
    )

    sent = script.requests("SubmitJob")[0].config
    assert [(known.label, list(known.identifiers)) for known in sent.diarization.known_speakers] == [("Ann", ["one"])]
    assert [(one.pattern, one.replacement) for one in sent.formatting.replacements] == [("a", "b")]
    assert (list(sent.formatting.permitted_marks), sent.formatting.numerals, sent.formatting.casing) == (
        ["."],
        True,
        False,
    )
    assert (sent.rendering.subtitles.max_lines, sent.rendering.subtitles.min_gap.ToMilliseconds()) == (1, 250)


@pytest.mark.parametrize(
    "wrong",
    [{"numerals": "yes"}, {"replacements": ["a"]}, {"known_speakers": ["Ann"]}, {"max_speakers": "2"}, {"entities": 1}],
)
async def test_a_value_of_another_kind_is_refused_before_anything_is_sent(
    client: stenod.Client, script: Script, wrong: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match=f"{next(iter(wrong))}=.* is not an option of a job"):
        await client.submit(b"RIFF", **wrong)
    assert not script.calls
