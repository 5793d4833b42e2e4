"""Files of transcripts are there whole or not at all."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from stenod_server.domain.job import JobState
from stenod_server.domain.transcript import Segment
from stenod_server.errors import StoreUnavailable
from stenod_server.scheduler.transcript_files import FORMS, TranscriptFiles
from stenod_server.text.render import Renderings
from tests.support.builders import START, make_info, make_job, make_segment

PLAIN = Renderings({})


class Segments:
    """The part of a job store that is read; breaks behind the first segment where it is told to."""

    def __init__(self, *, breaks: bool = False) -> None:
        self._breaks = breaks

    async def segments(self, _job_id: str, *, from_index: int = 0) -> AsyncIterator[Segment]:
        yield make_segment(from_index, "so it goes")
        if self._breaks:
            raise StoreUnavailable("away")


@pytest.mark.parametrize("breaks", [True, False])
async def test_what_breaks_in_the_middle_leaves_nothing(tmp_path: Path, breaks: bool) -> None:  # noqa: FBT001
    store: Any = Segments(breaks=breaks)
    files = TranscriptFiles(tmp_path, store, PLAIN)
    job = make_job(job_id="one", state=JobState.SUCCEEDED, info=make_info(), end_time=START)
    if breaks:
        with pytest.raises(StoreUnavailable):
            await files.write(job)
    else:
        await files.write(job)
        await files.write(job)  # again, as after a crash
    expected = set() if breaks else {f"one.{ending}" for ending in FORMS}
    assert {path.name for path in tmp_path.iterdir()} == expected


@pytest.mark.parametrize(
    ("tenant", "directory"),
    [("default", "."), ("acme", "acme"), ("../up", "..%2Fup"), ("..", "%2E%2E"), ("a/b", "a%2Fb")],
)
async def test_a_tenant_has_a_directory_and_no_name_leads_out_of_it(
    tmp_path: Path, tenant: str, directory: str
) -> None:
    store: Any = Segments()
    job = make_job(job_id="one", tenant=tenant, state=JobState.SUCCEEDED, info=make_info(), end_time=START)
    await TranscriptFiles(tmp_path / "in" / "out", store, PLAIN).write(job)
    found = {path.parent for path in tmp_path.rglob("one.*")}
    assert found == {(tmp_path / "in" / "out" / directory)}
