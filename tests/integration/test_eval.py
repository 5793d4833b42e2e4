"""`stenod eval` against a node whose recogniser says what it is known to say."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stenod_server.cli.golden import read_golden
from tests.support.fetcher import ScriptedFetcher
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.node import fake_node
from tests.support.receiver import receiving
from tests.unit.cli.conftest import Ended, Stenod, run_stenod

HEARD = "32000-0 32000-1"  # four words, as the normaliser reads them
URL = "https://cdn.example.com/b.wav"


@pytest.fixture
async def stenod(tmp_path: Path) -> AsyncIterator[Stenod]:
    front_end = ScriptedFrontEnd(make_windows(1, seconds=2.0))
    async with fake_node(tmp_path, front_end=front_end, fetcher=ScriptedFetcher({URL: b"RIFF"})) as node:

        async def run(*arguments: str, stdin: bytes = b"") -> Ended:
            return await run_stenod(*arguments, stdin=stdin, STENOD_SERVER=node.address)

        yield run


def _golden(directory: Path, *texts: str) -> str:
    (directory / "a.wav").write_bytes(b"RIFF")
    path = directory / "calls.jsonl"
    audio = ["a.wav", URL]
    rows = [{"audio": audio[at], "text": text, "language": "en"} for at, text in enumerate(texts)]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return str(path)


async def test_what_is_heard_as_before_is_fine_and_what_is_worse_is_not(stenod: Stenod, tmp_path: Path) -> None:
    kept, metrics = str(tmp_path / "baseline.json"), tmp_path / "stenod.prom"
    first = await stenod("eval", "--golden", _golden(tmp_path, HEARD, HEARD), "-o", kept)
    assert (first.status, "word error rate  0.00 %" in first.out) == (0, True), first.err
    worse = ("--golden", _golden(tmp_path, HEARD, "32000-0 32000-2"), "--baseline", kept)
    drifted = await stenod("eval", *worse, "--metrics-file", str(metrics), "--format", "json")
    assert drifted.status == 1
    assert "worse than the baseline by 12.50 points; 1.00 are allowed" in drifted.err
    assert json.loads(drifted.out)["details"][1]["errors"] == 1
    assert 'stenod_eval_wer_ratio{golden_set="calls"} 0.125' in metrics.read_text()
    assert 'stenod_eval_baseline_wer_ratio{golden_set="calls"} 0.0' in metrics.read_text()
    allowed = await stenod("eval", *worse, "--max-drift", "0.125")
    assert allowed.status == 0


async def test_metrics_are_pushed_to_a_gateway(stenod: Stenod, tmp_path: Path) -> None:
    async with receiving() as receiver:
        ended = await stenod("eval", "--golden", _golden(tmp_path, HEARD), "--push", receiver.url(""))
    assert ended.status == 0, ended.err
    [call] = receiver.calls
    assert (call.method, call.target) == ("PUT", "/metrics/job/stenod-eval/golden_set/calls")
    assert b'stenod_eval_end_timestamp_seconds{golden_set="calls"}' in call.body


async def test_a_recording_that_fails_counts_as_unheard_and_fails_the_run(stenod: Stenod, tmp_path: Path) -> None:
    golden = tmp_path / "gone.jsonl"
    golden.write_text(json.dumps({"audio": "not-there.wav", "text": "one two", "language": "en"}))
    ended = await stenod("eval", "--golden", str(golden))
    assert (ended.status, "1 of 1 recordings failed" in ended.err) == (1, True), ended.err
    assert "word error rate  100.00 %" in ended.out


@pytest.mark.parametrize("line", ["", "not JSON", '{"audio": "a.wav"}'])
def test_a_set_that_is_none_is_refused(line: str, tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(line)
    with pytest.raises(ValueError, match=str(path)):
        read_golden(path)
