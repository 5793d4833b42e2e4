"""The file of secrets that notifications are signed with."""

import base64
from pathlib import Path

import pytest

from stenod_server.access.webhook_secrets import read_secrets, watch_secrets
from stenod_server.errors import InvalidField

ONE, OTHER = (f"whsec_{base64.b64encode(letter * 32).decode()}" for letter in (b"a", b"b"))


def test_every_line_is_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    path.write_text(f"{ONE}\n\n{OTHER}\n")
    assert read_secrets(path) == [b"a" * 32, b"b" * 32]


@pytest.mark.parametrize(
    "text", ["", "\n", "rubbish", ONE.removeprefix("whsec_"), "whsec_c2hvcnQ=", f"{ONE}\nwhsec_***", "whsec_ü"]
)
def test_what_is_no_secret_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secrets"
    path.write_text(text)
    with pytest.raises(InvalidField) as refused:
        read_secrets(path)
    assert refused.value.field == "notification_secret_file"
    assert not any(line in refused.value.message for line in text.split() if line)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match="cannot be read: No such file"):
        read_secrets(tmp_path / "none")


def test_a_change_is_seen_and_a_broken_one_is_not_used(tmp_path: Path) -> None:
    path, now_s = tmp_path / "secrets", 0.0
    path.write_text(ONE)
    watched = watch_secrets(path, lambda: now_s)
    for text, expected in ((f"{ONE} {OTHER}", 2), ("broken", 2), (OTHER, 1)):
        path.write_text(text)
        now_s += 10
        assert len(watched.current()) == expected
