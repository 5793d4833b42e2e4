"""What a node for one command makes of the settings that it is given."""

from pathlib import Path

import pytest

from stenod_server.cli.bulk.items import Item
from stenod_server.cli.bulk.one_shot import NODE, node_settings
from stenod_server.settings import load

ITEMS = [
    Item("a.wav", "s3://in/calls/a.wav", "v", 1, "a", "identity-a"),
    Item("b ü.wav", "file:///recordings/b%20%C3%BC.wav", "v", 1, "b", "identity-b"),
    Item("c.wav", "https://example.org/c.wav", "", 0, "c", "identity-c"),
]


def test_nobody_else_reaches_it_and_it_reads_what_it_was_told_to(tmp_path: Path) -> None:
    given = load(
        listen="0.0.0.0:50051",
        allow_unauthenticated=True,
        health_listen="0.0.0.0:50052",
        access_file=tmp_path / "access.toml",
        blob_url="s3://blobs",
        node="pod-7f9c",
        model="other",
    )
    made = node_settings(given, ITEMS, tmp_path)
    assert (made.listen, made.http_listen, made.health_listen, made.metrics_listen) == ("127.0.0.1:0", *["off"] * 3)
    assert (made.access_file, made.blob_url, made.authenticates) == (None, "", False)
    assert (made.fetch_buckets, made.fetch_file_roots) == (("s3://in",), (Path("/recordings"),))
    # A successor in another container takes back what this one ran, without waiting for a lease to end.
    assert (made.node, made.data_dir, made.default_model) == (NODE, tmp_path, "other")
    assert made.models_path == given.models_path


def test_its_metrics_can_be_read_where_somebody_asks_for_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STENOD_METRICS_LISTEN", "0.0.0.0:9090")
    assert node_settings(load(), ITEMS, tmp_path).metrics_listen == "0.0.0.0:9090"
