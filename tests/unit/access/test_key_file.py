"""The tools of the access file: by several writers at once, next to what people wrote by hand."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stenod_server.access.access_file import parse
from stenod_server.access.key_file import remove_key
from tests.support.credentials import make_key

WRITERS, KEYS_EACH = 4, 10
CERTIFICATE = '# mine\n[[certificates]]  # by hand\nname = "x"\ntenant = "t"\nscopes = ["read"]\n'


def _write(path: Path) -> None:
    for _ in range(KEYS_EACH):
        make_key(path)


def test_no_key_of_several_writers_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "access.toml"
    with ThreadPoolExecutor(WRITERS) as writers:
        for ended in [writers.submit(_write, file) for _ in range(WRITERS)]:
            ended.result()

    assert len(parse(file.read_text()).keys) == WRITERS * KEYS_EACH
    assert [path.name for path in tmp_path.iterdir()] == ["access.toml"]


def test_a_key_goes_alone_wherever_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "access.toml"
    ids = [make_key(file).split("_")[1] for _ in range(3)]
    file.write_text(file.read_text() + "\n" + CERTIFICATE)

    remove_key(file, ids[1])

    table = parse(file.read_text())
    assert (list(table.keys), list(table.certificates)) == ([ids[0], ids[2]], ["x"])
    assert file.read_text().endswith(CERTIFICATE)


def test_what_cannot_be_cut_out_safely_is_left_to_people(tmp_path: Path) -> None:
    file = tmp_path / "access.toml"
    text = f'keys = [{{ id = "a", tenant = "t", hash = "sha256:{"0" * 64}", scopes = ["read"] }}]\n'
    file.write_text(text)

    with pytest.raises(ValueError, match="by hand"):
        remove_key(file, "a")

    assert file.read_text() == text


def test_a_link_stays_a_link_and_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "access.toml"
    link.symlink_to(tmp_path / "real" / "access.toml")

    make_key(link)
    make_key(link)

    assert link.is_symlink()
    assert len(parse(link.read_text()).keys) == 2
    assert stat.S_IMODE((tmp_path / "real" / "access.toml").stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_that_root_adds_can_be_read_by_the_server(tmp_path: Path) -> None:
    file = tmp_path / "access.toml"
    make_key(file)
    os.chown(file, 12345, 12345)

    make_key(file)

    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 12345)
