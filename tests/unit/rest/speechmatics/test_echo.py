"""The configuration as it is given back: the clients' own dataclasses must be able to read it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from stenod_server.domain.job import Job, JobConfig, JobState, Media, Progress, RemoteMedia
from stenod_server.domain.notification import Notice, NoticeState
from stenod_server.errors import JobExpired
from stenod_server.rest.speechmatics.echo import echoed, to_keep
from stenod_server.rest.speechmatics.job_view import deleted_info, job_info
from tests.support.speechmatics_clients import batch_models
from tests.unit.rest.speechmatics.asked import PLAIN, read
from tests.unit.text.transcripts import JOB


def job_of(config: dict[str, Any]) -> Job:
    return replace(JOB, config=read(config).config)


TRAPS = [
    {"notification_config": None},
    {"tracking": {"title": "t", "details": {"k": 1}}},
    {"language_identification_config": {"low_confidence_action": "allow", "default_language": None}},
    {"transcription_config": {"language": "en", "model": "enhanced", "operating_point": "enhanced"}},
    {"transcription_config": {"language": "en", "additional_vocab": None, "diarization": None}},
    {"fetch_text": None, "alignment_config": None},
    {"notification_config": [{"url": "https://h/", "auth_headers": ["X: 1"], "contents": None}]},
    {"fetch_data": {"url": "https://h/a.wav", "auth_headers": None}},
    {"sentiment_analysis_config": {}, "auto_chapters_config": {}, "audio_events_config": {}},
    {"transcription_config": {"language": "en", "transcript_filtering_config": {"replacements": None}}},
]


@pytest.mark.parametrize("changes", TRAPS, ids=json.dumps)
def test_a_client_reads_the_job_whatever_was_asked(changes: dict[str, Any]) -> None:
    details = batch_models.JobDetails.from_dict(job_info(job_of(PLAIN | changes)))
    assert details.config
    assert details.config.transcription_config
    assert details.config.transcription_config.language == "en"


def test_what_clients_know_comes_back_as_it_was_said() -> None:
    config = PLAIN | {"tracking": {"title": "t"}, "output_config": {"srt_overrides": {"max_lines": 1}}}
    assert echoed(job_of(config)) == config


def test_identifiers_of_known_speakers_are_forgotten_in_the_callers_words() -> None:
    known = {"speakers": [{"label": "Alice", "speaker_identifiers": ["secret"]}], "get_speakers": True}
    asked = {"language": "en", "diarization": "speaker", "speaker_diarization_config": known}
    kept = to_keep({"type": "transcription", "transcription_config": asked})
    assert "secret" not in kept
    echo = json.loads(kept)["transcription_config"]
    assert echo["speaker_diarization_config"] == {
        "speakers": [{"label": "Alice", "speaker_identifiers": []}],
        "get_speakers": True,
    }


def test_only_one_name_of_the_model_comes_back() -> None:
    for given, kept in (({"model": "a", "operating_point": "b"}, {"model": "a"}), ({"operating_point": "b"},) * 2):
        transcription = {"language": "en", **given}
        echo = echoed(job_of({"type": "transcription", "transcription_config": transcription}))
        assert echo["transcription_config"] == {"language": "en", **kept}


def test_a_job_of_another_api_is_described_as_one_of_this() -> None:
    config = JobConfig(language="de", reference="r", details_json='{"k": 1}')
    media = Media(key="", remote=RemoteMedia(uri="https://u:p@h/a.wav?x=1", headers=(("X", "secret"),)))
    job = replace(JOB, config=config, media=media)
    assert echoed(job) == {
        "type": "transcription",
        "transcription_config": {"language": "de"},
        "tracking": {"reference": "r"},
        "fetch_data": {"url": "https://h/a.wav"},
    }
    assert batch_models.JobDetails.from_dict(job_info(job)).data_name == "https://h/a.wav"


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (JobState.QUEUED, "running"),
        (JobState.RUNNING, "running"),
        (JobState.SUCCEEDED, "done"),
        (JobState.FAILED, "rejected"),
        (JobState.CANCELLED, "rejected"),
    ],
)
def test_every_state_has_a_word_that_clients_survive(state: JobState, status: str) -> None:
    job = replace(JOB, state=state)
    assert job_info(job)["status"] == status
    assert batch_models.JobDetails.from_dict(job_info(job)).status.value == status


def test_an_expired_job_has_no_word_but_can_be_deleted() -> None:
    job = replace(JOB, state=JobState.EXPIRED)
    with pytest.raises(JobExpired):
        job_info(job)
    assert deleted_info(job)["status"] == "deleted"


def test_the_length_is_a_whole_number_of_seconds_at_any_time() -> None:
    assert job_info(JOB)["duration"] == 12
    running = replace(JOB, info=None, state=JobState.RUNNING, progress=Progress(total_samples=48_000))
    assert job_info(running)["duration"] == 3
    assert job_info(replace(running, progress=Progress()))["duration"] == 0


def test_a_notification_that_was_given_up_is_an_error_of_a_job_that_stays_done() -> None:
    notices = (
        Notice(url="https://h/a", state=NoticeState.DELIVERED, attempts=1),
        Notice(url="https://h/b", state=NoticeState.GIVEN_UP, attempts=9, error="it answered 500"),
    )
    shown = job_info(replace(JOB, notices=notices))
    assert shown["status"] == "done"
    [error] = shown["errors"]
    assert "https://h/b" in error["message"]
    assert "it answered 500" in error["message"]
