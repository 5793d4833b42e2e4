"""Transcripts as files: those of every job that succeeds, in every form, for whoever watches a directory."""

import asyncio
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import quote

from stenod_server.domain.job import Job
from stenod_server.errors import StoreUnavailable
from stenod_server.ports import JobStore
from stenod_server.scheduler.letter_parts import has_transcript, rendered
from stenod_server.text.render import Renderings, TranscriptFormat

# By the ending of the file's name. `.json` is what clients of that container expect of it.
FORMS: Final[Mapping[str, TranscriptFormat]] = {
    "json": TranscriptFormat.JSON_V2,
    "txt": TranscriptFormat.TXT,
    "srt": TranscriptFormat.SRT,
    "vtt": TranscriptFormat.VTT,
    "stenod.json": TranscriptFormat.JSON,
}
_DEFAULT_TENANT: Final = "default"
_FLUSH_BYTES: Final = 256 * 1024


class TranscriptFiles:
    """Writes below `directory`; those of a tenant other than the default one in a directory of its own."""

    def __init__(self, directory: Path, store: JobStore, renderings: Renderings) -> None:
        self._directory = directory
        self._store = store
        self._renderings = renderings

    async def write(self, job: Job) -> None:
        """Each file is there whole or not at all. May be repeated. Raises StoreUnavailable."""
        if not has_transcript(job):
            return
        directory = self._directory if job.tenant == _DEFAULT_TENANT else self._directory / _name(job.tenant)
        try:
            await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
            for ending, form in FORMS.items():
                await self._write(directory / f"{job.job_id}.{ending}", job, form)
        except OSError as error:
            raise StoreUnavailable(f"{directory} cannot be written (setting all_formats): {error.strerror}") from error

    async def _write(self, path: Path, job: Job, form: TranscriptFormat) -> None:
        descriptor, name = await asyncio.to_thread(tempfile.mkstemp, dir=path.parent, prefix=".stenod-")
        try:
            with os.fdopen(descriptor, "wb", _FLUSH_BYTES) as file:
                async for piece in rendered(self._store, job, self._renderings.open(form, job)):
                    await asyncio.to_thread(file.write, piece)
                await asyncio.to_thread(_settle, file)
            await asyncio.to_thread(os.replace, name, path)
        except BaseException:
            await asyncio.to_thread(Path(name).unlink, missing_ok=True)
            raise


def _settle(file: BinaryIO) -> None:
    file.flush()
    os.fchmod(file.fileno(), 0o644)  # for whoever watches, not for this server alone
    os.fsync(file.fileno())


def _name(tenant: str) -> str:
    """A tenant's name as that of one directory, whatever is in it."""
    name = quote(tenant, safe="")
    return name if name.strip(".") else name.replace(".", "%2E")
