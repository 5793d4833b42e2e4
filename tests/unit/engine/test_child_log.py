import pytest

from stenod_server.engine.child_log import MAX_LINE_CHARACTERS, LineSplitter, parse_line


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ('E1121 02:32:59.415669 9438 server.cc:241] "it broke"', ("error", "it broke")),
        ('W1121 02:32:59.415669 9438 server.cc:241] "careful"', ("warning", "careful")),
        ('I1121 02:32:59.420391 9438 model_lifecycle.cc:472] "loading: m:1"', ("debug", "loading: m:1")),
        (
            'E1121 02:32:59.4 9438 server.cc:241] "CudaDriverHelper is missing"',
            ("debug", "CudaDriverHelper is missing"),
        ),
        (
            r'E1121 02:32:59.4 9438 m.cc:654] "failed to load: no CUDAExecutionProvider\n\nAt:\n  /a/b.py(7): load\n"',
            ("error", r"failed to load: no CUDAExecutionProvider\n\nAt:\n  /a/b.py(7): load\n"),
        ),
        ("At:", ("debug", "At:")),
        ("  /a b/sessions.py(74): _check_installed", ("debug", "/a b/sessions.py(74): _check_installed")),
        ("I1121 02:33:05.279187 9438 server.cc:604] ", None),
        ("+-----+-----+", None),
        ("| Model | 1 |", None),
        ("", None),
        ("Traceback (most recent call last):", ("warning", "Traceback (most recent call last):")),
        ("Signal (15) received.", ("debug", "Signal (15) received.")),
    ],
)
def test_a_line_becomes_an_event(line: str, event: tuple[str, str] | None) -> None:
    assert parse_line(line) == event


def test_lines_are_cut_wherever_the_chunks_end() -> None:
    splitter = LineSplitter()
    assert [splitter.feed(chunk) for chunk in (b"a", b"b\nc", b"\n\nd")] == [[], ["ab"], ["c", ""]]


def test_an_endless_line_costs_no_memory() -> None:
    splitter = LineSplitter()
    for _ in range(100):
        assert splitter.feed(b"x" * 10_000) == []
    assert len(splitter._rest) == MAX_LINE_CHARACTERS
    assert splitter.feed(b"\nnext\n") == ["x" * MAX_LINE_CHARACTERS, "next"]
