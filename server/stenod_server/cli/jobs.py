"""`stenod jobs`: list, get, watch, cancel, delete."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stenod_server.cli.connection import DEFAULT_SERVER, Server, explain, run
from stenod_server.cli.listing import (
    Form,
    Limit,
    ListFormat,
    clock_time,
    message_fields,
    show_fields,
    show_json,
    show_table,
)
from stenod_server.cli.option_groups import with_option_groups

if TYPE_CHECKING:
    import stenod

app = typer.Typer(help="List, watch, cancel and delete jobs.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(metavar="JOB_ID", help="The job.", show_default=False)]
JobIds = Annotated[list[str], typer.Argument(metavar="JOB_ID…", help="The jobs.", show_default=False)]


class State(StrEnum):
    """A state that jobs can be filtered by."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


@app.command("list")
@with_option_groups
def list_jobs(
    server: Server = DEFAULT_SERVER,
    form: Form = ListFormat.TABLE,
    limit: Limit = 50,
    state: Annotated[list[State] | None, typer.Option(help="Only jobs in this state; may be repeated.")] = None,
    tag: Annotated[str, typer.Option(help="Only jobs with this tag.")] = "",
    user_id: Annotated[str, typer.Option(help="Only jobs of this user.")] = "",
) -> None:
    """List jobs, newest first."""

    async def ask(client: "stenod.Client") -> None:
        from stenod import JobState

        states = [JobState(one.value.upper()) for one in state or ()]
        found = [job async for job in client.jobs(states=states, user_id=user_id, tag=tag, limit=limit)]
        if form is ListFormat.JSON:
            show_json([message_fields(job.proto) for job in found])
        else:
            show_table([_row(job) for job in found], ["job", "state", "progress", "created", "file"])

    run(server, ask)


@app.command("get")
@with_option_groups
def get_job(job_id: JobId, server: Server = DEFAULT_SERVER, form: Form = ListFormat.TABLE) -> None:
    """Show a job."""

    async def ask(client: "stenod.Client") -> None:
        _show(await client.job(job_id), form)

    run(server, ask)


@app.command("watch")
@with_option_groups
def watch_job(
    job_id: JobId,
    server: Server = DEFAULT_SERVER,
    segments: Annotated[
        bool, typer.Option("--segments", help="Print the text as it is recognised; with speakers, again in the end.")
    ] = False,
) -> None:
    """Follow a job until it has ended. Exit status 0: it succeeded; 1: it did not."""

    async def follow(client: "stenod.Client") -> int:
        async with aclosing(client.watch(job_id, include_segments=segments)) as updates:
            async for update in updates:
                for segment in update.segments:
                    typer.echo(f"{segment.speaker}: {segment.text}" if segment.speaker else segment.text)
                if not update.segments:
                    typer.echo(f"{update.job.state}  {update.job.progress_ratio:4.0%}", err=segments)
        if update.job.error:
            typer.echo(f"stenod: {update.job.error.message}", err=True)
        return 0 if update.job.state == "SUCCEEDED" else 1

    run(server, follow)


@app.command("cancel")
@with_option_groups
def cancel_jobs(job_ids: JobIds, server: Server = DEFAULT_SERVER) -> None:
    """Stop jobs: those that wait at once, those that run within one window."""

    async def cancel(client: "stenod.Client") -> int:
        return await _each(job_ids, client.cancel, server)

    run(server, cancel)


@app.command("delete")
@with_option_groups
def delete_jobs(
    job_ids: JobIds,
    server: Server = DEFAULT_SERVER,
    force: Annotated[bool, typer.Option("--force", help="Stop jobs that run.")] = False,
) -> None:
    """Erase jobs with their media and transcripts."""

    async def delete(client: "stenod.Client") -> int:
        return await _each(job_ids, lambda job_id: client.delete(job_id, force=force), server)

    run(server, delete)


async def _each(job_ids: Sequence[str], act: "Callable[[str], Awaitable[stenod.Job]]", server: Server) -> int:
    """Act on every job, whatever becomes of the others."""
    from stenod import StenodError

    status = 0
    for job_id in job_ids:
        try:
            job = await act(job_id)
        except StenodError as error:
            typer.echo(f"{job_id}: {explain(error, server)}", err=True)
            status = 1
        else:
            typer.echo(f"{job_id}  {'cancelling' if job.proto.cancelling else job.state}")
    return status


def _row(job: "stenod.Job") -> dict[str, Any]:
    return {
        "job": job.job_id,
        "state": job.state,
        "progress": f"{job.progress_ratio:.0%}",
        "created": clock_time(job.create_time),
        "file": job.file_name,
    }


def _show(job: "stenod.Job", form: ListFormat) -> None:
    if form is ListFormat.JSON:
        show_json(message_fields(job.proto))
        return
    audio_s = job.proto.transcript_info.duration.ToNanoseconds() / 1e9
    show_fields(
        _row(job)
        | {
            "started": clock_time(job.start_time),
            "ended": clock_time(job.end_time),
            "attempts": job.proto.attempt_count,
            "node": job.proto.node,
            "model": job.proto.transcript_info.model or job.proto.config.model,
            "language": job.proto.transcript_info.language or job.proto.config.language,
            "audio": f"{audio_s:.1f} s" if audio_s else None,
            "real-time factor": job.real_time_factor,
            "error": f"{job.error.reason}: {job.error.message}" if job.error else None,
        }
    )
