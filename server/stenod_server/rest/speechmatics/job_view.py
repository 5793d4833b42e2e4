"""A job as this API shows it (`JobDetails`)."""

from collections.abc import Mapping
from typing import Any, Final

from stenod_server.domain.audio import to_seconds
from stenod_server.domain.job import Job, JobState
from stenod_server.domain.notification import NoticeState
from stenod_server.errors import JobExpired
from stenod_server.rest.speechmatics.echo import echoed
from stenod_server.text.json_v2 import data_name, timestamp, whole_seconds

# Older clients take anything but `running` and `done` for a failure: a job that waits runs, too.
_STATUSES: Final[Mapping[JobState, str]] = {
    JobState.QUEUED: "running",
    JobState.RUNNING: "running",
    JobState.SUCCEEDED: "done",
    JobState.FAILED: "rejected",
    JobState.CANCELLED: "rejected",
}


def status_of(job: Job) -> str:
    """Raises JobExpired: clients cannot read any word for that."""
    if job.state is JobState.EXPIRED:
        raise JobExpired(job.job_id)
    return _STATUSES[job.state]


def job_info(job: Job) -> dict[str, Any]:
    """`JobDetails`. Raises JobExpired."""
    return {
        "id": job.job_id,
        "status": status_of(job),
        "created_at": timestamp(job.create_time),
        "data_name": data_name(job),
        "duration": whole_seconds(_duration_s(job)),
        "config": echoed(job),
        "lang": (job.info.language if job.info else "") or job.config.language,
        **({"errors": errors} if (errors := errors_of(job)) else {}),
        **({"request_id": request_id} if (request_id := job.config.origin.request_id) else {}),
    }


def deleted_info(job: Job) -> dict[str, Any]:
    """Of a job that was erased, as it was before; one that had expired has nothing more to say."""
    if job.state is JobState.EXPIRED:
        about: dict[str, Any] = {
            "id": job.job_id,
            "created_at": timestamp(job.create_time),
            "data_name": data_name(job),
            "duration": whole_seconds(_duration_s(job)),
        }
    else:
        about = job_info(job)
    return about | {"status": "deleted"}


def errors_of(job: Job) -> list[dict[str, str]]:
    """Why the job was rejected, and who could not be told of its end."""
    at = timestamp(job.end_time or job.update_time)
    messages = [notice.complaint for notice in job.notices if notice.state is NoticeState.GIVEN_UP]
    if job.state is JobState.CANCELLED:
        messages.insert(0, "the job was cancelled")
    elif job.state is JobState.FAILED and job.failure:
        messages.insert(0, job.failure.message)
    return [{"timestamp": at, "message": message} for message in messages]


def _duration_s(job: Job) -> float:
    """An estimate while it runs, 0 before."""
    return job.info.duration_s if job.info else to_seconds(job.progress.total_samples)
