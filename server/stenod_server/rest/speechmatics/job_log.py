"""The log of a job: what its record tells of its life. Never a word of the transcript."""

from collections.abc import Iterator
from datetime import datetime

from stenod_server.domain.job import Job
from stenod_server.text.json_v2 import data_name, timestamp


def job_log(job: Job) -> str:
    """Plain text, a line for each thing that is known, in order of time. Of a job that has ended."""
    return "".join(f"{timestamp(at)} {level} {message}\n" for at, level, message in _lines(job))


def _lines(job: Job) -> Iterator[tuple[datetime, str, str]]:
    config, end = job.config, job.end_time or job.update_time
    yield job.create_time, "INFO", f"job {job.job_id} accepted: {data_name(job) or 'a recording without a name'}"
    yield job.create_time, "INFO", f"language {config.language}, engines {config.parallel_engines}"
    for warning in config.warnings:
        yield job.create_time, "WARNING", f"{warning.reason}: {warning.message}"
    if job.start_time:
        yield job.start_time, "INFO", f"attempt {job.attempt} started on node {job.node}"
    if job.failures or job.rescues:
        yield end, "WARNING", f"{job.failures} attempts failed for a passing reason, {job.rescues} nodes were lost"
    if job.info:
        info = job.info
        yield end, "INFO", f"recognised by {info.model}: {info.duration_s:.3f} s of audio, {info.windows} windows"
        for warning in info.warnings:
            yield end, "WARNING", f"{warning.reason}: {warning.message}"
    if job.failure:
        yield end, "ERROR", f"{job.failure.reason}: {job.failure.message}"
    yield end, "INFO", f"job {job.state}"
