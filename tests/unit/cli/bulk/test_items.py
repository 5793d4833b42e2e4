"""Which recordings of a listing are taken, what they are, and what their results are called."""

from datetime import timedelta
from pathlib import Path

import pytest

from stenod_server.cli.bulk.items import Selection, identity, list_items, place_below, result_names
from stenod_server.errors import InvalidField, MediaNotFound
from stenod_server.fetch.buckets import open_bucket


def test_results_are_named_as_their_recordings_but_for_the_ending_where_that_is_enough() -> None:
    keys = ["a/x.mp3", "a/x.wav", "a/y.tar.gz", "b/x.mp3", "none"]
    assert result_names(keys) == ["a/x.mp3", "a/x.wav", "a/y.tar", "b/x", "none"]


def test_another_version_or_configuration_is_other_work() -> None:
    same = identity("s3://a/x", "v1", {"language": "en"})
    assert same == identity("s3://a/x", "v1", {"language": "en"})
    others = [("s3://a/y", "v1", {"language": "en"}), ("s3://a/x", "v2", {"language": "en"}), ("s3://a/x", "v1", {})]
    assert same not in [identity(*other) for other in others]


def test_patterns_and_lists_say_which_are_taken() -> None:
    some = Selection(include=["a/*", "*.mp3"], exclude=["*/draft-*"])
    assert [some.takes(key) for key in ("a/x/y.wav", "b/x.mp3", "b/x.wav", "a/x/draft-1.wav")] == [
        True,
        True,
        False,
        False,
    ]
    listed = Selection(only=frozenset({"a"}))
    assert [listed.takes(key) for key in ("a", "b")] == [True, False]


async def test_a_directory_is_listed_in_order_and_its_results_are_no_recordings(tmp_path: Path) -> None:
    for name in ("b.wav", "a/z ü%.wav", "a-1.wav", "out/b.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    source, target = open_bucket(tmp_path.as_uri()), open_bucket(f"{tmp_path.as_uri()}/out")
    items = await list_items(source, Selection(but_below=place_below(source, target)), {})
    assert [item.key for item in items] == ["a-1.wav", "a/z ü%.wav", "b.wav"]
    assert items[1].uri == (tmp_path / "a/z ü%.wav").as_uri()
    assert all(item.version for item in items)


async def test_what_is_no_place_is_told_before_anything_is_done(tmp_path: Path) -> None:
    for url in ("ftp://a/b", "s3://", "file://host/x", "s3://a/b?c", f"{tmp_path.as_uri()}/absent"):
        with pytest.raises(InvalidField, match="FROM"):
            open_bucket(url, "FROM")
    bucket = open_bucket(tmp_path.as_uri())
    assert await bucket.beginning("absent", 1) is None
    with pytest.raises(MediaNotFound):
        await bucket.head("absent")
    with pytest.raises(InvalidField, match="presigned"):
        await bucket.signed("a", timedelta(hours=1))
