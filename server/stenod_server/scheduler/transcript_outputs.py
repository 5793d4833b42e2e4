"""Transcripts as objects in buckets: where a job asked for them, in the forms that it asked for."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from stenod_server.domain.job import Job
from stenod_server.domain.notification import Content, Notification
from stenod_server.ports import JobStore, ResultBuckets
from stenod_server.scheduler.letter_parts import FORMATS, has_transcript, rendered
from stenod_server.text.render import Renderings, TranscriptFormat
from stenod_server.text.sources import with_source

_JOB_ENDING: Final = "job.json"


class TranscriptOutputs:
    """Writes to the buckets that `results` opens."""

    def __init__(self, results: ResultBuckets, store: JobStore, renderings: Renderings) -> None:
        self._results = results
        self._store = store
        self._renderings = renderings

    async def write(self, job: Job, output: Notification, view: Mapping[str, Any]) -> None:
        """Each object is there whole or not at all, that in JSON last: whoever sees it finds the others. May be
        repeated. `view` is the job as its dialect shows it; of a job without a transcript there is nothing else.

        Raises StoreUnavailable; FetchRefused, InvalidField, MediaNotFound for a place that may not be written to.
        """
        name = f"{output.url}{job.job_id}" if output.url.endswith("/") else output.url
        contents = output.contents or (Content.JSON,)
        if Content.JOBINFO in contents:
            await self._results.put(f"{name}.{_JOB_ENDING}", job.tenant, _once(json.dumps(view, ensure_ascii=False)))
        if not has_transcript(job):
            return
        forms = [FORMATS[content] for content in contents if content in FORMATS]
        for form in sorted(forms, key=lambda form: form is TranscriptFormat.JSON):
            await self._results.put(f"{name}.{form}", job.tenant, self._pieces(job, form))

    def _pieces(self, job: Job, form: TranscriptFormat) -> AsyncIterator[bytes]:
        pieces = rendered(self._store, job, self._renderings.open(form, job))
        source = json.loads(job.config.details_json or "{}").get("source")
        return with_source(pieces, source) if source and form is TranscriptFormat.JSON else pieces


async def _once(text: str) -> AsyncIterator[bytes]:
    yield text.encode()
