"""The access file: what it may say, and what becomes of a node that reads it while people write it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stenod_server.access.access_file import parse
from stenod_server.access.chain import open_authenticator
from stenod_server.access.options import AccessOptions
from stenod_server.access.watched import LOOK_S
from stenod_server.domain.access import Credentials, Scope
from stenod_server.errors import InvalidField, Unauthenticated
from stenod_server.ports import Authenticator
from tests.support.builders import FakeClock
from tests.support.credentials import make_key

HASH = "sha256:" + "0" * 64
KEY = f'[[keys]]\nid = "a"\ntenant = "t"\nhash = "{HASH}"\nscopes = ["read"]\n'


def test_keys_and_certificates_are_read() -> None:
    table = parse(
        KEY + "expires = 2031-01-01T00:00:00Z\n"
        '[[certificates]]\nname = "ingest.example.org"\ntenant = "t"\nscopes = ["read", "admin"]\n'
    )

    assert table.keys["a"].expires == datetime(2031, 1, 1, tzinfo=UTC)
    assert table.certificates["ingest.example.org"].scopes == frozenset({Scope.READ, Scope.ADMIN})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (KEY.replace("read", "root"), r"keys\[1\] \(a\)\.scopes: "),
        (KEY.replace('["read"]', "[]"), r"keys\[1\] \(a\)\.scopes: "),
        (KEY.replace("sha256:", "md5:"), r"keys\[1\] \(a\)\.hash: "),
        (KEY.replace('"t"', '""'), r"keys\[1\] \(a\)\.tenant: "),
        (KEY.replace('"t"', '"a\\nb"'), r"keys\[1\] \(a\)\.tenant: "),
        (KEY + "expires = 2031-01-01\n", r"keys\[1\] \(a\)\.expires: "),
        (KEY + "expires = 2031-01-01T00:00:00\n", r"keys\[1\] \(a\)\.expires: "),
        (KEY + 'secret = "x"\n', r"keys\[1\] \(a\)\.secret: "),
        (KEY + KEY, "keys: 'a' is there twice"),
        ("[[key]]\n", "key: "),
        ("keys = 1\n", "keys: "),
        ("[[keys]\n", "line 1"),
    ],
)
def test_what_is_wrong_is_named_and_the_hash_is_not_quoted(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        parse(text)

    assert "0000" not in str(caught.value)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def _is_let_in(door: Authenticator, key: str) -> bool:
    try:
        await door.authenticate(Credentials(bearer=key))
    except Unauthenticated:
        return False
    return True


async def test_a_key_counts_from_when_it_is_written_until_it_is_gone(tmp_path: Path, clock: FakeClock) -> None:
    file = tmp_path / "access.toml"
    first = make_key(file)
    old = file.read_text()
    door = open_authenticator(AccessOptions(access_file=file), clock)
    second = make_key(file)

    assert [await _is_let_in(door, key) for key in (first, second)] == [True, False]
    clock.advance(LOOK_S)
    assert [await _is_let_in(door, key) for key in (first, second)] == [True, True]
    file.write_text(old)
    clock.advance(LOOK_S)
    assert [await _is_let_in(door, key) for key in (first, second)] == [True, False]


@pytest.mark.parametrize("broken", ["[[keys]", KEY.replace("read", "root"), None], ids=["toml", "scope", "gone"])
async def test_a_file_that_is_broken_later_changes_nothing_and_is_told_of_once(
    tmp_path: Path, clock: FakeClock, broken: str | None
) -> None:
    file = tmp_path / "access.toml"
    key = make_key(file)
    good = file.read_text()
    door = open_authenticator(AccessOptions(access_file=file), clock)

    with capture_logs() as logs:
        if broken is None:
            file.unlink()
        else:
            file.write_text(broken)
        for _ in range(3):
            clock.advance(LOOK_S)
            assert await _is_let_in(door, key)
        file.write_text(good)
        later = make_key(file)
        clock.advance(LOOK_S)
        assert await _is_let_in(door, later)

    assert [event["event"] for event in logs if event["log_level"] != "debug"] == [
        "access_file_refused",
        "access_file_read",
    ]
    assert HASH not in str(logs)


async def test_a_link_that_is_swapped_is_followed(tmp_path: Path, clock: FakeClock) -> None:
    """As Kubernetes renews what is mounted."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first, second = (make_key(tmp_path / name / "access.toml") for name in ("one", "two"))
    current = tmp_path / "current"
    current.symlink_to("one")
    door = open_authenticator(AccessOptions(access_file=current / "access.toml"), clock)
    new = tmp_path / "new"
    new.symlink_to("two")
    new.rename(current)
    clock.advance(LOOK_S)

    assert [await _is_let_in(door, key) for key in (first, second)] == [False, True]


async def test_a_file_that_is_broken_at_the_start_is_refused(tmp_path: Path, clock: FakeClock) -> None:
    file = tmp_path / "access.toml"
    with pytest.raises(InvalidField, match="access_file"):
        open_authenticator(AccessOptions(access_file=file), clock)
    file.write_bytes(b"\xff")
    with pytest.raises(InvalidField, match="cannot be read"):
        open_authenticator(AccessOptions(access_file=file), clock)


async def test_the_first_name_of_a_certificate_that_is_known_counts(tmp_path: Path, clock: FakeClock) -> None:
    file = tmp_path / "access.toml"
    file.write_text('[[certificates]]\nname = "b.example"\ntenant = "t"\nscopes = ["read"]\n')
    door = open_authenticator(AccessOptions(access_file=file), clock)

    holder = await door.authenticate(Credentials(certificate_names=("a.example", "b.example")))

    assert (holder.tenant, holder.subject) == ("t", "certificate:b.example")
    for names in ((), ("a.example",)):
        with pytest.raises(Unauthenticated):
            await door.authenticate(Credentials(certificate_names=names))
    with pytest.raises(Unauthenticated):  # a bearer that is wrong is not made good by a certificate
        await door.authenticate(Credentials(bearer="stn_x_y", certificate_names=("b.example",)))
