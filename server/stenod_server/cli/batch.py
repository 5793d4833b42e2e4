"""Many files through a server at once: each on its own, so that one that fails does not stop the others."""

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import stenod
from stenod.errors import JobFailed
from stenod_server.cli.connection import Server, explain
from stenod_server.cli.output_name import STANDARD_INPUT, output_stem
from stenod_server.cli.progress import BatchDisplay
from stenod_server.text.render import TranscriptFormat

_CANCEL_S: Final = 2.0  # how long an interrupted command waits for the server to take note


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What is wanted of every file. Without `output_dir` transcripts go to standard output, in order of the files."""

    form: TranscriptFormat
    output_dir: Path | None
    concurrency: int
    config: stenod.JobOptions
    server: Server

    def output_path(self, file: str) -> Path | None:
        return self.output_dir / f"{output_stem(file)}.{self.form}" if self.output_dir else None


class Batch:
    """Runs a plan. Cancelling it cancels the jobs that have not ended."""

    def __init__(self, client: stenod.Client, plan: BatchPlan, display: BatchDisplay) -> None:
        self._client = client
        self._plan = plan
        self._display = display
        self._gate = asyncio.Semaphore(plan.concurrency)
        self._failed_count = 0

    async def run(self, files: Sequence[str]) -> int:
        """The number of files that failed."""
        if self._plan.output_dir:
            await asyncio.to_thread(self._plan.output_dir.mkdir, parents=True, exist_ok=True)
        with self._display.shown():
            try:
                await self._run_all(files)
            except* BrokenPipeError:
                # Whoever read the transcripts has gone (`| head`), and so have the jobs. Nothing is left to flush to.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                self._failed_count += 1
        self._display.finish(self._failed_count)
        return self._failed_count

    async def _run_all(self, files: Sequence[str]) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._transcribe(file)) for file in files]
            if not self._plan.output_dir:
                # A transcript is fetched when it is its turn, so that none waits in memory.
                for file, task in zip(files, tasks, strict=True):
                    await self._print(file, await task)

    async def _transcribe(self, file: str) -> stenod.Job | None:
        """The job, when it has succeeded; None when the failure is told already."""
        async with self._gate:
            self._display.started(file)
            try:
                job = await self._submit_and_wait(file)
                if path := self._plan.output_path(file):
                    await self._save(job, path)
                    self._display.succeeded(file, job)
            except (stenod.StenodError, OSError) as error:
                self._fail(file, error)
                return None
            self._display.remove(file)
            return job

    async def _submit_and_wait(self, file: str) -> stenod.Job:
        if file == STANDARD_INPUT:
            job = await self._client.submit(sys.stdin.buffer, file_name="stdin", **self._plan.config)
        else:
            job = await self._client.submit(file, **self._plan.config)
        try:
            async with aclosing(self._client.watch(job.job_id)) as updates:
                async for update in updates:
                    job = update.job
                    self._display.update(file, job)
        except asyncio.CancelledError:
            with suppress(stenod.StenodError, TimeoutError):
                await asyncio.wait_for(self._client.cancel(job.job_id), _CANCEL_S)
            raise
        if job.state != "SUCCEEDED":
            raise JobFailed(job)
        return job

    async def _save(self, job: stenod.Job, path: Path) -> None:
        """Whole or not at all: whoever watches the directory never sees half a transcript."""
        part = path.with_name(f".{path.name}.part")
        try:
            with await asyncio.to_thread(part.open, "w", encoding="utf-8") as file:
                async for piece in self._client.rendered(job.job_id, self._plan.form.value):
                    file.write(piece)
            await asyncio.to_thread(part.replace, path)
        finally:
            part.unlink(missing_ok=True)

    async def _print(self, file: str, job: stenod.Job | None) -> None:
        if job is None:
            return
        try:
            with self._display.set_aside():
                async for piece in self._client.rendered(job.job_id, self._plan.form.value):
                    sys.stdout.write(piece)
                sys.stdout.flush()
        except stenod.StenodError as error:
            self._fail(file, error)
        else:
            self._display.succeeded(file, job)

    def _fail(self, file: str, error: Exception) -> None:
        self._failed_count += 1
        match error:
            case stenod.StenodError():
                reason = explain(error, self._plan.server)
            case OSError(strerror=str(text)):
                reason = text.lower()
            case _:
                reason = str(error)
        self._display.failed(file, f"failed: {reason}")
