import json
from pathlib import Path

import pytest

from bench.compare import changes, table
from bench.machine import Machine
from bench.result_file import SCHEMA, Figure, UnreadableResult, figures_in, read_result, write_result

MACHINE = Machine("a processor", 2, 2**33, "Linux", "3.11.7", 0.1)


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    figures = [Figure("row", "speed", 2.0, "x", "higher")]
    write_result(tmp_path / "out" / "a.json", "load", MACHINE, figures, about={"audio_s": 3.0}, more=[1])
    document = read_result(tmp_path / "out" / "a.json")
    assert (document["schema"], document["kind"], document["more"]) == (SCHEMA, "load", [1])
    assert document["machine"]["cpu"] == "a processor"
    assert figures_in(document) == figures


@pytest.mark.parametrize("text", ["", "[]", json.dumps({"schema": SCHEMA - 1}), json.dumps({"rows": []})])
def test_what_is_no_result_of_this_schema_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(UnreadableResult, match=r"a\.json"):
        read_result(path)


@pytest.mark.parametrize(
    ("before", "after", "better", "verdict"),
    [
        (10.0, 20.0, "higher", "better"),
        (10.0, 20.0, "lower", "worse"),
        (10.0, 5.0, "lower", "better"),
        (10.0, 10.1, "lower", "same"),
        (10.0, 20.0, "", ""),
        (0.0, 20.0, "higher", ""),
    ],
)
def test_whether_a_change_is_better_depends_on_the_figure(
    before: float, after: float, better: str, verdict: str
) -> None:
    (change,) = changes([Figure("r", "m", before, "s", better)], [Figure("r", "m", after, "s", better)])
    assert change.verdict == verdict


def test_rows_of_one_side_alone_are_shown() -> None:
    found = changes([Figure("old", "m", 1.0, "s")], [Figure("new", "m", 2.0, "s")])
    assert [(change.row, change.verdict) for change in found] == [("old", "gone"), ("new", "new")]
    lines = table(found).splitlines()
    assert lines[1].split() == ["old", "m", "1", "s", "-", "-", "gone"]
