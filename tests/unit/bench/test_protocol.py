import json
import os
import time
from io import StringIO

import pytest

from bench.process_tree import ProcessTree
from bench.protocol import MOST_REPEATS, REPEATED_S, Clip, Report, Request, Word


def test_a_request_survives_the_pipe() -> None:
    clip = Clip("one", "/speech/one.flac", 1.5)
    request = Request(("clips",), (clip,), clip, clip, threads=2, cache_dir=".bench", models_dir="models")
    assert Request.from_json(request.to_json()) == request


def test_a_report_is_one_event_a_line() -> None:
    channel = StringIO()
    report = Report(channel)
    report.ready({"peer": "1.0"})
    with report.measured("clips") as texts:
        texts["one"] = "It was the best of times."
    report.figure("cold_start_s", 2.5)
    report.words("one", [Word("It", 0.0, 0.2)])
    ready, begin, run, figure, words = map(json.loads, channel.getvalue().splitlines())
    assert ready["pid"] == os.getpid()
    assert begin == {"event": "begin", "scenario": "clips"}
    assert run["texts"] == {"one": "It was the best of times."}
    assert run["wall_s"] >= 0
    assert run["cpu_s"] >= 0
    assert figure["value"] == 2.5
    assert words["words"] == [{"text": "It", "start_s": 0.0, "end_s": 0.2}]


def test_what_is_short_is_measured_several_times(monkeypatch: pytest.MonkeyPatch) -> None:
    def runs(wall_s: float) -> int:
        channel, now_s = StringIO(), [0.0]
        monkeypatch.setattr(time, "perf_counter", lambda: now_s[0])
        for run in Report(channel).repeated("long"):
            with run as texts:
                now_s[0] += wall_s
                texts["one"] = "It was the best of times."
        said = [json.loads(line) for line in channel.getvalue().splitlines()]
        assert [one["wall_s"] for one in said if one["event"] == "run"] == pytest.approx([wall_s] * (len(said) // 2))
        return len(said) // 2

    assert runs(REPEATED_S / 100) == MOST_REPEATS
    assert runs(REPEATED_S / 4) == 4
    assert runs(REPEATED_S) == 1


def test_this_process_uses_processor_and_memory() -> None:
    tree = ProcessTree(os.getpid())
    assert tree.cpu_s() > 0
    assert tree.rss_bytes() > 10**6
