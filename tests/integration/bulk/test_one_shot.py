"""A node for one command: it is told to stop or killed, and another one, elsewhere, goes on where it was."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from stenod_server.app.node import Parts
from stenod_server.cli.bulk.one_shot import OneShotOrder, transcribe_once
from stenod_server.engine.fake import FakeEngine
from stenod_server.errors import DecoderDied, StenodError, UnsupportedMedia
from tests.support.eventually import eventually, eventually_so
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.one_shot_process import WINDOWS, counted, one_shot_settings, recording, start
from tests.support.s3_place import S3Place

START_S = 90.0
ENOUGH = WINDOWS // 2  # are recognised when the first node is gone


def order(directory: Path, sources: list[str], target: S3Place, **changes: Any) -> OneShotOrder:
    given = {"forms": (), "config": {}, "settings": one_shot_settings(directory), **changes}
    return OneShotOrder(sources=sources, output=target.url, **given)


async def once(directory: Path, sources: list[str], target: S3Place) -> int:
    parts = Parts(engine=FakeEngine(), front_end=ScriptedFrontEnd(make_windows(1)))
    return await transcribe_once(order(directory, sources, target), asyncio.Event(), parts=parts)


def word_count(result: bytes) -> int:
    return len(json.loads(result)["text"].split())


@pytest.mark.parametrize("kind", ["bucket", "directory"])
async def test_what_is_told_to_stop_hands_over_all_that_it_has_done(
    tmp_path: Path, source: S3Place, target: S3Place, kind: str
) -> None:
    await source.put({"long.wav": b"a long one"})
    kept = target.beside("-state")
    state = kept.url if kind == "bucket" else str(tmp_path / "state")
    asked = order(tmp_path / "first", [f"{source.url}/long.wav"], target, state=state, grace_s=0.0)
    first, stopping = FakeEngine(fixed_delay_s=0.02), asyncio.Event()
    running = asyncio.create_task(transcribe_once(asked, stopping, parts=Parts(engine=first, front_end=recording())))
    await eventually(lambda: first.completed >= ENOUGH)
    stopping.set()
    assert (await running, await target.keys()) == (75, [])
    assert ENOUGH <= first.completed < WINDOWS

    second = FakeEngine()
    again = Parts(engine=second, front_end=recording())
    assert await transcribe_once(asked, asyncio.Event(), parts=again) == 0
    assert WINDOWS <= first.completed + second.completed <= WINDOWS + 1  # the one that was in flight
    assert word_count(await target.read("long.json")) == 2 * WINDOWS
    # Nothing is left to go on with, and nothing to do.
    assert (await kept.keys(), list(tmp_path.glob("state/*"))) == ([], [])
    assert (
        await transcribe_once(asked, asyncio.Event(), parts=Parts(engine=FakeEngine(failures=[ZeroDivisionError()])))
        == 0
    )


async def test_a_successor_of_one_that_was_killed_goes_on_behind_the_last_window_that_was_saved(
    tmp_path: Path, source: S3Place, target: S3Place
) -> None:
    await source.put({"long.wav": b"a long one"})
    windows, kept = tmp_path / "windows", target.beside("-state")
    first = await start(f"{source.url}/long.wav", target.url, kept.url, str(windows))
    await eventually(lambda: counted(windows) >= ENOUGH, timeout_s=START_S)
    saved = await kept.versions()

    async def is_saved_again() -> bool:
        return await kept.versions() != saved

    await eventually_so(is_saved_again, timeout_s=START_S)
    first.kill()
    await first.wait()
    done, second = counted(windows), FakeEngine()
    asked = order(tmp_path, [f"{source.url}/long.wav"], target, state=kept.url)
    again = Parts(engine=second, front_end=recording())
    assert await transcribe_once(asked, asyncio.Event(), parts=again) == 0
    assert done < WINDOWS
    assert second.completed <= WINDOWS - ENOUGH // 2  # the rest was recognised by the first, and saved
    assert word_count(await target.read("long.json")) == 2 * WINDOWS


async def test_objects_prefixes_and_files_are_found_and_their_results_named(
    tmp_path: Path, source: S3Place, target: S3Place
) -> None:
    await source.put({"calls/b.wav": b"b", "calls/a/a.wav": b"a", "one.mp3": b"1"})
    (tmp_path / "two ü.wav").write_bytes(b"2")
    sources = [f"{source.url}/one.mp3", f"{source.url}/calls/", str(tmp_path / "two ü.wav")]
    assert await once(tmp_path, sources, target) == 0
    assert await target.keys() == ["a/a.json", "b.json", "one.json", "two ü.json"]


@pytest.mark.parametrize(("error", "status"), [(UnsupportedMedia("no sound"), 1), (DecoderDied("it is away"), 75)])
async def test_a_failure_for_good_and_a_passing_one_have_statuses_of_their_own(
    tmp_path: Path, source: S3Place, target: S3Place, error: StenodError, status: int
) -> None:
    await source.put({"a.wav": b"a"})
    parts = Parts(engine=FakeEngine(), front_end=ScriptedFrontEnd(error=error))
    settings = one_shot_settings(tmp_path).model_copy(update={"attempts": 1})
    asked = order(tmp_path, [f"{source.url}/a.wav"], target, settings=settings)
    assert await transcribe_once(asked, asyncio.Event(), parts=parts) == status


async def test_what_is_not_there_and_what_is_away(
    tmp_path: Path, source: S3Place, target: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses = [await once(tmp_path, [name], target) for name in (f"{source.url}/none.wav", "/no/file", "ftp://a/b")]
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    statuses.append(await once(tmp_path, [f"{source.url}/none.wav"], target))
    assert statuses == [2, 2, 2, 75]
