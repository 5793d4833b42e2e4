import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenod_server.fetch.file_name import MAX_FILE_NAME_CHARACTERS, file_name


@pytest.mark.parametrize(
    ("header", "path", "name"),
    [
        ("", "/calls/a%20b.wav", "a b.wav"),
        ("", "/", ""),
        ("", "/..", ""),
        ("", "/a%2fb.wav", "b.wav"),
        ("inline", "/x.wav", "x.wav"),
        ("attachment; filename=call.mp3", "/x", "call.mp3"),
        ('attachment; filename="a; b.mp3"', "/x", "a; b.mp3"),
        ("attachment; filename*=UTF-8''%e2%82%ac.mp3", "/x", "€.mp3"),
        ("attachment; filename*=no-such''%e2.mp3", "/x.wav", "â.mp3"),
        ('attachment; filename="/etc/passwd"', "/x", "passwd"),
        (r'attachment; filename="C:\\calls\\a.mp3"', "/x", "a.mp3"),
        ('attachment; filename=".."', "/x", "x"),
        ('attachment; filename="a\x1b[31m\u202eb.mp3"', "/x", "a[31mb.mp3"),
        ("", "/" + "x" * 300, "x" * MAX_FILE_NAME_CHARACTERS),
    ],
)
def test_the_origin_names_the_file_else_its_path(header: str, path: str, name: str) -> None:
    assert file_name(header, path) == name


@given(st.text(), st.text())
def test_any_header_and_path_give_a_plain_name(header: str, path: str) -> None:
    for name in (file_name(header, path), file_name(f"attachment; filename*={header}", path)):
        assert name.isprintable()
        assert len(name) <= MAX_FILE_NAME_CHARACTERS
        assert "/" not in name
