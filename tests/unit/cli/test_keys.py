"""`stenod keys` on a real file."""

import json
import stat
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stenod_server.access.access_file import parse
from stenod_server.access.keys import key_holder
from stenod_server.cli.root import app
from stenod_server.domain.access import Scope
from stenod_server.errors import Unauthenticated
from tests.unit.cli.conftest import Ended

MENDED_BY_HAND = """# our keys, see the wiki
[[certificates]]
name = "ingest.example.org"   # the ingest cluster
tenant = "archive"
scopes = ["submit"]
"""


def keys(command: str, *arguments: str, file: Path) -> Ended:
    result = CliRunner().invoke(app, ["keys", command, *arguments, "--file", str(file)], env={"COLUMNS": "200"})
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return Ended(result.exit_code, result.stdout, result.stderr)


def test_a_key_that_is_made_is_told_once_and_kept_as_a_hash_for_its_owner_s_eyes(tmp_path: Path) -> None:
    file = tmp_path / "access.toml"

    made = keys("create", "--tenant", "newsroom", "--scope", "read", "--expires", "90d", file=file)

    key = made.out.strip()
    assert (made.status, made.out.count("\n")) == (0, 1)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key not in made.err
    assert key not in file.read_text()
    assert key.rpartition("_")[2] not in file.read_text()
    table, now = parse(file.read_text()), datetime.now(UTC)
    holder = key_holder(table, key, now=now)
    assert (holder.tenant, set(holder.scopes)) == ("newsroom", {Scope.READ})
    with pytest.raises(Unauthenticated):
        key_holder(table, key, now=now + timedelta(days=91))
    assert key_holder(table, key, now=now + timedelta(days=89))


def test_without_more_ado_a_key_reads_and_submits_for_the_default_tenant_for_ever(tmp_path: Path) -> None:
    file = tmp_path / "access.toml"

    made = keys("create", file=file)

    holder = key_holder(parse(file.read_text()), made.out.strip(), now=datetime(2999, 1, 1, tzinfo=UTC))
    assert (holder.tenant, set(holder.scopes)) == ("default", {Scope.READ, Scope.SUBMIT})


def test_keys_are_listed_without_their_hashes(tmp_path: Path) -> None:
    file = tmp_path / "access.toml"
    keys("create", "--tenant", "newsroom", file=file)
    keys("create", "--tenant", "archive", "--scope", "admin", file=file)

    table, as_json = keys("list", file=file), keys("list", "--format", "json", file=file)

    hashes = [entry["hash"].removeprefix("sha256:") for entry in tomllib.loads(file.read_text())["keys"]]
    assert [line.split()[1:3] for line in table.out.splitlines()[1:]] == [["newsroom", "read"], ["archive", "admin"]]
    assert [(key["tenant"], key["scopes"]) for key in json.loads(as_json.out)] == [
        ("newsroom", ["read", "submit"]),
        ("archive", ["admin"]),
    ]
    assert not [each for each in hashes if each in table.out + as_json.out]


def test_a_key_that_is_revoked_is_gone_and_all_else_stays_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "access.toml"
    file.write_text(MENDED_BY_HAND)
    keys("create", file=file)
    before = file.read_text()
    made = keys("create", "--tenant", "newsroom", file=file)
    key_id = made.out.split("_")[1]

    revoked = keys("revoke", key_id, file=file)
    again = keys("revoke", key_id, file=file)

    assert (revoked.status, revoked.out) == (0, f"{key_id}  revoked\n")
    assert file.read_text().strip() == before.strip()
    assert file.read_text().startswith(MENDED_BY_HAND)
    assert (again.status, again.err) == (1, f"stenod: {file} has no key {key_id!r}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--expires", "soon"), "--expires 'soon' is not a number with h, d or w"),
        (("--tenant", ""), "--tenant: Value error, must be 1 to 128 printable characters"),
        (("--scope", "root"), "'root' is not one of"),
    ],
)
def test_what_makes_no_key_is_named_and_no_file_is_made(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    ended = keys("create", *arguments, file=tmp_path / "access.toml")

    assert ended.status != 0
    assert said in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_broken_file_is_named_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "access.toml"
    file.write_text('[[keys]]\nid = "a"\ntenant = "t"\nhash = "sha256:short"\nscopes = ["read"]\n')
    before = file.read_text()

    ended = [keys("create", file=file), keys("list", file=file), keys("revoke", "a", file=file)]

    assert [each.status for each in ended] == [1, 1, 1]
    assert all(each.err.startswith(f"stenod: {file}: keys[1] (a).hash: ") for each in ended)
    assert not [each for each in ended if "short" in each.err]
    assert file.read_text() == before


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    ended = keys("create", file=tmp_path / "nowhere" / "access.toml")

    assert (ended.status, ended.out) == (1, "")
    assert "No such file or directory" in ended.err
