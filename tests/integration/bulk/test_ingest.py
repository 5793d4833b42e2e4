"""A bucket into a bucket through a running node, with the command as a user runs it; it is killed, and goes on."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import stenod
from stenod_server.app.node import Node
from stenod_server.cli.bulk.commanding import BulkOrder, OpenedOrder, carry_out, show_plan
from stenod_server.engine.fake import FakeEngine
from stenod_server.errors import InvalidField, UnsupportedMedia
from stenod_server.text.render import TranscriptFormat
from tests.support.eventually import eventually_so
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.node import fake_node
from tests.support.s3_place import S3Place

KEYS = [f"{group}/{number:02} ü+.wav" for group in ("a", "b") for number in range(6)]
PARTIAL = 3
NOTHING: dict[str, Any] = {
    "forms": (),
    "in_flight": None,
    "index": None,
    "retry_list": None,
    "include": (),
    "exclude": (),
    "from_list": None,
    "config": {},
}


@dataclass(frozen=True)
class Site:
    """A node, the places, and the command."""

    node: Node
    source: S3Place
    target: S3Place
    engine: FakeEngine
    front_end: ScriptedFrontEnd

    async def start(self, *options: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "stenod_server", "ingest", self.source.url, f"--to={self.target.url}"),
            f"--server={self.node.address}",
            *options,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def run(self, **asked: Any) -> int:
        """The same in this process; the exit status."""
        async with stenod.Client(self.node.address) as client:
            return await carry_out(client, self.order(**asked), lambda error: error.message)

    def order(self, **asked: Any) -> OpenedOrder:
        given = {"source": self.source.url, "target": self.target.url, "via": "uri", **NOTHING, **asked}
        return BulkOrder(**given).opened()

    async def results(self) -> list[str]:
        return [key for key in await self.target.keys() if key.endswith(".json")]

    async def index(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (await self.target.read("_index.jsonl")).splitlines()]

    async def job_count(self) -> int:
        async with stenod.Client(self.node.address) as client:
            return len([job async for job in client.jobs()])


@pytest.fixture
async def site(tmp_path: Path, source: S3Place, target: S3Place) -> AsyncIterator[Site]:
    await source.put({key: key.encode() for key in KEYS})
    engine, front_end = FakeEngine(fixed_delay_s=0.05), ScriptedFrontEnd(make_windows(1))
    async with fake_node(tmp_path, engine, front_end, parallel=2, fetch_buckets=(source.url,)) as node:
        yield Site(node, source, target, engine, front_end)


async def test_a_command_that_is_killed_and_started_again_does_each_recording_once_and_in_order(site: Site) -> None:
    first = await site.start("--in-flight=4", "--format=txt")

    async def is_partly_done() -> bool:
        return len(await site.results()) >= PARTIAL

    await eventually_so(is_partly_done)
    first.kill()
    await first.communicate()
    done = await site.results()
    assert PARTIAL <= len(done) < len(KEYS)

    second = await site.start("--in-flight=4", "--format=txt")
    said, _ = await second.communicate()
    assert second.returncode == 0, said.decode()
    assert f"there already  {len(done):>8}" in said.decode()
    assert (site.engine.completed, await site.job_count()) == (len(KEYS), len(KEYS))
    assert await site.results() == sorted(f"{key.removesuffix('.wav')}.json" for key in KEYS)
    assert [line["key"] for line in await site.index()] == sorted(KEYS)
    for line in await site.index():
        result = json.loads(await site.target.read(line["result"]))
        assert result["source"]["uri"] == line["uri"] == f"{site.source.url}/{line['key']}"
        assert (result["source"]["job_id"], result["text"]) == (line["job_id"], "32000-0 32000-1")
        assert await site.target.read(line["result"].replace(".json", ".txt"))


async def test_what_has_changed_is_done_again_and_nothing_else(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert await site.run() == 0
    before = await site.index()
    await site.source.put({KEYS[4]: b"another recording"})
    assert await show_plan(site.order()) == 0
    assert "1 of 12 objects are to be done" in capsys.readouterr().out

    assert await site.run() == 0
    after = await site.index()
    assert site.engine.completed == len(KEYS) + 1
    assert [line["key"] for line, old in zip(after, before, strict=True) if line != old] == [KEYS[4]]
    # What is asked of them is part of what they are.
    assert await site.run(include=["a/*"], exclude=["*01*"], config={"language": "de"}) == 0
    assert site.engine.completed == len(KEYS) + 1 + 5


@pytest.mark.parametrize("via", ["presign", "upload"])
async def test_a_server_that_may_not_read_the_bucket_is_handed_its_objects(
    site: Site, tmp_path: Path, via: str, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = FakeEngine()
    loopback: dict[str, Any] = {"fetch_allow": ("127.0.0.0/8",), "node": "other"}
    async with fake_node(tmp_path / "other", engine, site.front_end, **loopback) as blind:
        other = replace(site, node=blind, engine=engine)
        assert await other.run() == 2
        assert "fetch_buckets" in capsys.readouterr().err
        assert await other.job_count() == 0
        assert await other.run(via=via, include=["a/*"]) == 0
        await other.target.delete(f"{KEYS[0].removesuffix('.wav')}.json")
        assert await other.run(via=via, include=["a/*"]) == 0
        assert (engine.completed, await other.job_count()) == (6, 6)


async def test_results_among_recordings_are_not_taken_for_them(site: Site) -> None:
    with pytest.raises(InvalidField, match="--to"):
        site.order(target=site.source.url)
    below = f"{site.source.url}/a/results"
    assert [await site.run(target=below, include=["a/*"]) for _ in range(2)] == [0, 0]
    assert await site.job_count() == 6


async def test_a_directory_goes_into_a_directory_as_a_bucket_into_a_bucket(tmp_path: Path, source: S3Place) -> None:
    recordings, results = tmp_path / "recordings", tmp_path / "results"
    for name in ("b ü.wav", "a/100%.wav"):
        (recordings / name).parent.mkdir(parents=True, exist_ok=True)
        (recordings / name).write_bytes(b"sound")
    engine, front_end = FakeEngine(), ScriptedFrontEnd(make_windows(1))
    async with fake_node(tmp_path, engine, front_end, fetch_file_roots=(recordings,)) as node:
        site = Site(node, source, source, engine, front_end)
        places: dict[str, Any] = {"source": str(recordings), "target": str(results), "index": str(tmp_path / "index")}
        assert [await site.run(**places, forms=[TranscriptFormat.SRT]) for _ in range(2)] == [0, 0]
    assert engine.completed == 2
    written = sorted(str(path.relative_to(results)) for path in results.rglob("*") if path.is_file())
    assert written == ["a/100%.json", "a/100%.srt", "b ü.json", "b ü.srt"]
    assert len((tmp_path / "index").read_text().splitlines()) == 2


async def test_a_key_that_no_address_can_say_is_sent(site: Site) -> None:
    await site.source.put({"c/what?.wav": b"c", "c/100%.wav": b"c"})
    assert await site.run(include=["c/*"]) == 0
    assert await site.results() == ["c/100%.json", "c/what?.json"]


async def test_what_fails_is_told_and_can_be_tried_again_by_its_list(site: Site, tmp_path: Path) -> None:
    await site.source.put({"c.wav": b""})
    retry_list = tmp_path / "failed.jsonl"
    assert await site.run(via="upload", retry_list=retry_list) == 1
    [failed] = [json.loads(line) for line in retry_list.read_text().splitlines()]
    assert (failed["key"], failed["reason"]) == ("c.wav", "INVALID_FIELD")
    assert [line["state"] for line in await site.index()] == ["done"] * 12 + ["failed"]

    await site.source.put({"c.wav": b"now there is something"})
    assert await site.run(via="upload", from_list=retry_list, retry_list=retry_list) == 0
    assert retry_list.read_text() == ""
    assert [line["state"] for line in await site.index()] == ["done"] * 13


async def test_a_recording_that_is_none_is_not_tried_again_unless_its_list_says_so(
    tmp_path: Path, source: S3Place, target: S3Place
) -> None:
    await source.put({"a.wav": b"no sound"})
    front_end = ScriptedFrontEnd(error=UnsupportedMedia("no sound"))
    async with fake_node(tmp_path, FakeEngine(), front_end, fetch_buckets=(source.url,)) as node:
        site = Site(node, source, target, FakeEngine(), front_end)
        retry_list = tmp_path / "failed.jsonl"
        assert [await site.run(retry_list=retry_list) for _ in range(2)] == [1, 1]
        assert await site.job_count() == 1
        assert await site.run(from_list=retry_list) == 1
        assert await site.job_count() == 2


async def test_what_is_away_is_temporary(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    no_server = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "stenod_server", "ingest", str(tmp_path), "--to=/", "--server=127.0.0.1:1"),
        stderr=DEVNULL,
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert (await site.run(), await no_server.wait()) == (75, 75)
    assert "cannot be reached" in capsys.readouterr().err
