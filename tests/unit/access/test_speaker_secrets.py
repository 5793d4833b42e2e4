"""The directory of secrets that identifiers of voices are sealed with."""

import stat
from pathlib import Path

import pytest

from stenod_server.access.speaker_secrets import make_speaker_secrets, read_speaker_secrets, watch_speaker_secrets
from stenod_server.errors import InvalidField

ONE, OTHER = b"\x00\xff" * 16, b"of text, sixteen"


def test_every_numbered_file_is_a_secret_and_its_bytes_count(tmp_path: Path) -> None:
    for name, content in (("s.1", ONE), ("s.20", OTHER), ("s.x", b""), ("readme", b""), ("s.1.old", b"")):
        (tmp_path / name).write_bytes(content)
    assert read_speaker_secrets(tmp_path) == {1: ONE, 20: OTHER}


@pytest.mark.parametrize("content", [b"", b"fifteen bytes..", b"x" * 4097])
def test_a_secret_of_another_size_is_refused_by_its_name_and_not_repeated(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.1").write_bytes(ONE)
    (tmp_path / "s.2").write_bytes(content)
    with pytest.raises(InvalidField, match=r"s\.2 has \w+ bytes, must have 16 to 4096") as refused:
        read_speaker_secrets(tmp_path)
    assert refused.value.field == "speaker_secrets_dir"
    assert not content or content.decode() not in refused.value.message


def test_a_directory_without_secrets_or_none_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match=r"has no file s\.<number>"):
        read_speaker_secrets(tmp_path)
    with pytest.raises(InvalidField, match="none cannot be read: No such file"):
        read_speaker_secrets(tmp_path / "none")


def test_secrets_that_come_and_go_are_seen_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    now_s = 0.0
    (tmp_path / "s.1").write_bytes(ONE)
    watched = watch_speaker_secrets(tmp_path, lambda: now_s)
    (tmp_path / "s.2").write_bytes(OTHER)
    assert watched.current() == {1: ONE}
    now_s += 10
    assert watched.current() == {1: ONE, 2: OTHER}
    (tmp_path / "s.1").unlink()
    now_s += 10
    assert watched.current() == {2: OTHER}
    (tmp_path / "s.2").write_bytes(b"short")
    now_s += 10
    assert watched.current() == {2: OTHER}
    (tmp_path / "s.2").write_bytes(ONE)
    now_s += 10
    assert watched.current() == {2: ONE}


def test_a_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "data" / "speaker-secrets"
    make_speaker_secrets(directory)
    made = read_speaker_secrets(directory)
    make_speaker_secrets(directory)
    assert read_speaker_secrets(directory) == made
    assert len(made[1]) == 32
    assert stat.S_IMODE((directory / "s.1").stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_secret_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidField, match=r"speaker_secrets_dir: .* cannot be written"):
        make_speaker_secrets(tmp_path / "file" / "secrets")
