"""Every transcript in every form, as files."""

import json
from pathlib import Path

from stenod_server.domain.job import Failure
from stenod_server.domain.rendering import SubtitleShape
from stenod_server.store.open import open_store
from tests.integration.notify.rig import Rig
from tests.support.eventually import eventually

ENDINGS = ("json", "srt", "stenod.json", "txt", "vtt")


def _files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


async def test_every_job_that_succeeds_is_written_whoever_restarts_in_between(tmp_path: Path) -> None:
    stores = await open_store(tmp_path / "data", with_files=True)
    before = Rig(stores)
    mine = await before.ended(subtitles=SubtitleShape(max_line_length=10))
    theirs = await before.ended(tenant="a/b")
    await before.ended(failure=Failure("NO_AUDIO", "nothing"))
    await stores.close()
    stores = await open_store(tmp_path / "data", with_files=True)
    rig, directory = Rig(stores), tmp_path / "out"
    async with rig.notifying(files=directory):
        await eventually(lambda: rig.outcomes == ["delivered"] * 3)
    await stores.close()
    assert _files(directory) == sorted(
        [f"{mine.job_id}.{ending}" for ending in ENDINGS] + [f"a%2Fb/{theirs.job_id}.{ending}" for ending in ENDINGS]
    )
    assert (directory / f"{mine.job_id}.txt").read_bytes() == b"so it goes and goes and ends\n"
    assert b"\nso it goes\nand goes\n" in (directory / f"{mine.job_id}.srt").read_bytes()
    assert json.loads((directory / f"{mine.job_id}.json").read_bytes())["format"].startswith("2.")
    assert (directory / f"{mine.job_id}.txt").stat().st_mode & 0o777 == 0o644
    assert mine.notices == ()  # it is nothing that the job's owner asked for


async def test_a_directory_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    stores = await open_store(tmp_path / "data", with_files=True)
    rig, directory = Rig(stores), tmp_path / "out"
    directory.write_text("in the way")
    await rig.ended()
    async with rig.notifying(files=directory):
        await eventually(lambda: rig.outcomes[:1] == ["failed"])
    await stores.close()


async def test_without_the_setting_nothing_is_kept_to_be_written(rig: Rig) -> None:
    job = await rig.ended()
    assert job.end_time
    due = await rig.stores.deliveries.claim_due("a", now=job.end_time, until=job.end_time, limit=9, per_host=9, busy={})
    assert not due
