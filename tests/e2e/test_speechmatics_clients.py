"""The clients of Speechmatics, unmodified, at a real server with real speech; only the address is ours."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

import stenod
from tests.support.server import STENOD, RunningServer
from tests.support.speech import Recording, english_with_text, needs_speech
from tests.support.speechmatics_clients import (
    BatchTranscriptionConfig,
    JobNotFoundException,
    async_client,
    batch,
    batch_models,
    legacy_client,
    sync_client,
)

pytestmark = [
    pytest.mark.triton,
    # Of jobs that others submitted so, which a list gives back as they were said.
    pytest.mark.filterwarnings("ignore:'operating_point' is deprecated:DeprecationWarning"),
    *needs_speech,
]

FORMATS = (batch.FormatType.JSON, batch.FormatType.TXT, batch.FormatType.SRT)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return min(english_with_text(), key=lambda one: abs(one.duration_s - 4))


@pytest.fixture
def url(server: RunningServer) -> str:
    return f"http://{server.http}"


def check_formats(found: dict[Any, Any]) -> None:
    """The same words in each."""
    transcript, text, subtitles = (found[form] for form in FORMATS)
    assert transcript.metadata.language_pack_info["language_description"] == "English"
    assert transcript.transcript_text.split() == text.split()
    assert len(text.split()) > 3
    assert subtitles.startswith("1\n00:00:0")
    assert " --> " in subtitles
    assert all(0 <= result.alternatives[0].confidence <= 1 for result in transcript.results)
    assert all(len(line) <= 37 for line in subtitles.splitlines())


async def test_the_asynchronous_client(url: str, recording: Recording) -> None:
    async with async_client(url) as client:
        job = await client.submit_job(str(recording.path), parallel_engines=2, user_id="MY_USER_ID")
        await client.wait_for_completion(job.id, min_polling_interval=0.1, polling_interval=0.2)
        found = {form: await client.get_transcript(job.id, format_type=form) for form in FORMATS}
        check_formats(found)
        details = await client.get_job_info(job.id)
        assert details.status is batch.JobStatus.DONE
        assert details.data_name == recording.path.name
        assert details.duration == round(recording.duration_s)
        assert details.config.transcription_config.language == "en"
        assert job.id in [listed.id for listed in await client.list_jobs(limit=10)]
        await client.delete_job(job.id)
        with pytest.raises(batch.JobError, match="Job not found"):
            await client.get_job_info(job.id)
        with pytest.raises(batch.JobError):
            await client.delete_job(job.id)


async def test_the_asynchronous_client_in_one_call_as_the_worker_s_document_has_it(
    url: str, recording: Recording
) -> None:
    async with async_client(url) as client:
        result = await client.transcribe(str(recording.path), parallel_engines=2, user_id="MY_USER_ID", wait=30)
        assert len(result.transcript_text.split()) > 3


async def test_the_synchronous_client(url: str, recording: Recording) -> None:
    def use() -> None:
        with sync_client(url) as client:
            job = client.submit_job(str(recording.path), parallel_engines=2, user_id="U", wait=60)
            assert job.status is batch.JobStatus.DONE
            assert job.transcript.job.id == job.id
            check_formats({form: client.get_transcript(job.id, format_type=form) for form in FORMATS})
            assert client.get_job_info(job.id).status is batch.JobStatus.DONE
            assert job.id in [listed.id for listed in client.list_jobs()]
            client.delete_job(job.id)
            with pytest.raises(batch.JobError):
                client.get_job_info(job.id)

    await asyncio.to_thread(use)


async def test_everything_a_client_can_configure_comes_back_so_that_it_can_read_it(
    url: str, recording: Recording
) -> None:
    config = batch_models.JobConfig(
        type=batch.JobType.TRANSCRIPTION,
        transcription_config=batch_models.TranscriptionConfig(
            language="en",
            model=batch.Model.STANDARD,
            diarization="none",
            enable_entities=False,
            enable_partials=True,
            max_delay=1.5,
            max_delay_mode="flexible",
            audio_filtering_config=batch_models.AudioFilteringConfig(),
            transcript_filtering_config=batch_models.TranscriptFilteringConfig(),
        ),
        tracking=batch_models.TrackingConfig(title="t", reference="r", tags=["a"]),
        translation_config=batch_models.TranslationConfig(target_languages=["de"]),
        language_identification_config=batch_models.LanguageIdentificationConfig(),
        summarization_config=batch_models.SummarizationConfig(content_type="auto"),
        sentiment_analysis_config=batch_models.SentimentAnalysisConfig(),
        topic_detection_config=batch_models.TopicDetectionConfig(topics=["news"]),
        auto_chapters_config=batch_models.AutoChaptersConfig(),
        audio_events_config=batch_models.AudioEventsConfig(types=["music"]),
        output_config=batch_models.OutputConfig(srt_overrides={"max_line_length": 20, "max_lines": 1}),
    )
    async with async_client(url) as client:
        job = await client.submit_job(str(recording.path), config=config, wait=60)
        assert job.status is batch.JobStatus.DONE
        details = await client.get_job_info(job.id)
        assert details.config.to_dict() == config.to_dict()
        metadata = (await client.get_transcript(job.id)).metadata
        for feature in ("translation", "summarization", "sentiment_analysis", "topic_detection", "auto_chapters"):
            assert "not built" in getattr(metadata, f"{feature}_errors")[0]["message"]
        subtitles = await client.get_transcript(job.id, format_type=batch.FormatType.SRT)
        assert all(len(line) <= 20 for line in subtitles.splitlines() if " --> " not in line)


async def test_who_speaks_is_read_and_how_it_was_asked_comes_back(url: str, recording: Recording) -> None:
    config = batch_models.JobConfig(
        type=batch.JobType.TRANSCRIPTION,
        transcription_config=batch_models.TranscriptionConfig(
            language="en",
            model=batch.Model.STANDARD,
            output_locale="en-GB",
            diarization="speaker",
            speaker_diarization_config={"speaker_sensitivity": 0.6, "get_speakers": True, "max_speakers": 2},
            punctuation_overrides={"permitted_marks": [".", ","]},
            enable_entities=True,
            audio_filtering_config=batch_models.AudioFilteringConfig(volume_threshold=1.5),
            transcript_filtering_config=batch_models.TranscriptFilteringConfig(
                remove_disfluencies=True, replacements=[{"from": "/^the$/", "to": "The"}]
            ),
        ),
    )
    async with async_client(url) as client:
        job = await client.submit_job(str(recording.path), config=config, wait=60)
        assert job.status is batch.JobStatus.DONE
        assert (await client.get_job_info(job.id)).config.to_dict() == config.to_dict()
        transcript = await client.get_transcript(job.id)
        assert {one.speaker for result in transcript.results for one in result.alternatives or ()} == {"S1"}


async def test_an_option_that_is_not_built_is_refused_by_name(url: str, recording: Recording) -> None:
    async with async_client(url) as client:
        config = batch_models.TranscriptionConfig(language_hints=["en"])
        named = r"HTTP 400.*transcription_config\.language_hints: this feature is not built yet"
        with pytest.raises(batch.BatchError, match=named):
            await client.submit_job(str(recording.path), transcription_config=config)


async def test_an_unknown_job(url: str) -> None:
    async with async_client(url) as client:
        with pytest.raises(batch.JobError, match="Job not found"):
            await client.get_job_info("nobody")
        with pytest.raises(batch.JobError):
            await client.get_transcript("nobody")


async def test_the_older_client(url: str, recording: Recording, tmp_path: Path) -> None:
    def use() -> None:
        with legacy_client(url) as client:
            config = BatchTranscriptionConfig(language="en", operating_point="enhanced", enable_entities=False)
            job_id = client.submit_job(str(recording.path), config)
            httpx.get(f"{url}/v2/jobs/{job_id}", params={"wait": 60})  # else it sleeps for a quarter of a minute
            text = client.wait_for_completion(job_id, "txt")
            whole = client.get_job_result(job_id, "json-v2")
            words = [result["alternatives"][0]["content"] for result in whole["results"] if result["type"] == "word"]
            assert len(words) == len(text.split()) > 3
            assert client.get_job_result(job_id, "srt").startswith("1\n00:00:0")
            status = client.check_job_status(job_id)["job"]
            assert (status["status"], status["config"]["transcription_config"]["operating_point"]) == (
                "done",
                "enhanced",
            )
            assert job_id in [job["id"] for job in client.list_jobs()]
            assert client.delete_job(job_id) == f"Job {job_id} deleted"
            for ask in (client.check_job_status, client.get_job_result, client.delete_job):
                with pytest.raises(JobNotFoundException):
                    ask(job_id)
            broken = tmp_path / "broken.wav"
            broken.write_bytes(b"no recording at all")
            with pytest.raises(httpx.HTTPStatusError, match="400"):
                client.submit_job(str(broken), BatchTranscriptionConfig(language="en", domain="medical"))

    await asyncio.to_thread(use)


async def test_every_api_gives_the_same_words_as_json_v2(
    url: str, client: stenod.Client, server_address: str, recording: Recording, tmp_path: Path
) -> None:
    job = await client.submit(recording.path)
    await client.wait(job.job_id)
    by_grpc = json.loads("".join([piece async for piece in client.rendered(job.job_id, "json-v2")]))
    async with httpx.AsyncClient() as http:
        by_http = (await http.get(f"{url}/v2/jobs/{job.job_id}/transcript")).json()
    assert by_grpc == by_http
    command = await asyncio.create_subprocess_exec(
        str(STENOD), "transcribe", str(recording.path), "--server", server_address, "--format", "json-v2",
        "--output-dir", str(tmp_path),
    )  # fmt: skip
    assert await command.wait() == 0
    [written] = tmp_path.iterdir()
    assert json.loads(written.read_text())["results"] == by_grpc["results"]
