"""What a command says in the end, and the lists that it writes and reads."""

import json
from pathlib import Path

import pytest

from stenod_server.cli.bulk.items import Item
from stenod_server.cli.bulk.ledger import Index, leading
from stenod_server.cli.bulk.outcomes import Outcome, State, Tally, read_list, write_retry_list
from stenod_server.fetch.buckets import open_bucket


def outcome(key: str, state: State = State.DONE, *, is_passing: bool = False) -> Outcome:
    item = Item(key, f"s3://a/{key}", "v", 1, key.partition(".")[0], "identity")
    return Outcome(item=item, state=state, reason="" if state is State.DONE else "NO_AUDIO", is_passing=is_passing)


DONE, FAILED = outcome("a.wav"), outcome("b ü.wav", State.FAILED)
PASSING = outcome("c.wav", State.FAILED, is_passing=True)


@pytest.mark.parametrize(
    ("outcomes", "status", "of_a_container"),
    [
        ([], 0, 0),
        ([DONE], 0, 0),
        ([DONE, FAILED], 1, 1),
        ([DONE, FAILED, PASSING], 1, 75),
        ([DONE, FAILED, None], 75, 75),
    ],
)
def test_the_exit_status_says_whether_to_start_it_again(
    outcomes: list[Outcome | None], status: int, of_a_container: int
) -> None:
    tally = Tally(outcomes, 1.0)
    assert (tally.exit_status, tally.exit_status_of_a_container) == (status, of_a_container)


def test_the_table_counts_each_recording_once() -> None:
    lines = list(Tally([DONE, DONE, FAILED, None], 2.0).lines())
    assert [line.split()[-2 if line.startswith("done") else -1] for line in lines[1:5]] == ["2", "0", "1", "1"]


def test_what_failed_can_be_read_back_and_so_can_a_plain_list(tmp_path: Path) -> None:
    write_retry_list(tmp_path / "failed", [FAILED])
    assert json.loads((tmp_path / "failed").read_text())["reason"] == "NO_AUDIO"
    assert read_list(tmp_path / "failed") == {FAILED.item.key}
    (tmp_path / "plain").write_text("a.wav\n\nb ü.wav\n", "utf-8")
    assert read_list(tmp_path / "plain") == {"a.wav", "b ü.wav"}


async def test_the_index_ends_before_what_has_not_ended_and_keeps_what_others_did(tmp_path: Path) -> None:
    assert leading([DONE, None, FAILED]) == [DONE]
    place = open_bucket(tmp_path.as_uri())
    await Index(place).write([DONE, FAILED, PASSING])
    again = Index(place)
    await again.keep_others(frozenset({FAILED.item.key}))
    await again.write([outcome(FAILED.item.key)])
    told = [json.loads(line) for line in (tmp_path / "_index.jsonl").read_text().splitlines()]
    assert [(line["key"], line["state"]) for line in told] == [
        ("a.wav", "done"),
        ("b ü.wav", "done"),
        ("c.wav", "failed"),
    ]
