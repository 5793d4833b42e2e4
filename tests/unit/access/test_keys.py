"""API keys: what is kept of them, what they are good for, and for how long."""

import hmac
from datetime import timedelta

import pytest

from stenod_server.access import keys
from stenod_server.access.access_file import AccessTable, KeyEntry
from stenod_server.access.keys import hash_of, key_holder, new_key
from stenod_server.domain.access import Scope
from stenod_server.errors import Unauthenticated
from tests.support.builders import START


def _table(*entries: KeyEntry) -> AccessTable:
    return AccessTable({entry.id: entry for entry in entries}, {})


def _entry(key: str, key_id: str, **changes: object) -> KeyEntry:
    plain = {"id": key_id, "tenant": "newsroom", "hash": hash_of(key), "scopes": ["read"]}
    return KeyEntry.model_validate(plain | changes)


def test_no_two_keys_are_alike_and_their_secret_has_256_bits() -> None:
    made = [new_key()[0] for _ in range(100)]

    assert len(set(made)) == 100
    assert {len(key.split("_", 2)[2]) for key in made} == {43}  # 32 bytes in base64
    assert all(key.startswith("stn_") for key in made)


def test_a_tenant_has_several_keys_each_with_scopes_of_its_own() -> None:
    (one, one_id), (other, other_id) = new_key(), new_key()
    table = _table(_entry(one, one_id), _entry(other, other_id, scopes=["submit", "admin"]))

    holders = [key_holder(table, key, now=START) for key in (one, other)]

    assert [(holder.tenant, holder.subject) for holder in holders] == [
        ("newsroom", f"key:{one_id}"),
        ("newsroom", f"key:{other_id}"),
    ]
    assert holders[0].scopes == frozenset({Scope.READ})
    assert not holders[0].may(Scope.SUBMIT)
    assert all(holders[1].may(scope) for scope in Scope)


def test_a_key_is_good_until_it_expires() -> None:
    key, key_id = new_key()
    table = _table(_entry(key, key_id, expires=START + timedelta(hours=1)))

    assert key_holder(table, key, now=START + timedelta(minutes=59))
    with pytest.raises(Unauthenticated):
        key_holder(table, key, now=START + timedelta(hours=1))


@pytest.mark.parametrize("change", ["unknown id", "wrong secret", "other's secret", "shorter", "longer", "no secret"])
def test_all_that_is_wrong_is_told_alike(change: str) -> None:
    (key, key_id), (other, other_id) = new_key(), new_key()
    secret, other_secret = (each.split("_", 2)[2] for each in (key, other))
    shown = {
        "unknown id": f"stn_nobody00_{secret}",
        "wrong secret": f"stn_{key_id}_{'x' * 43}",
        "other's secret": f"stn_{key_id}_{other_secret}",
        "shorter": key[:-1],
        "longer": key + "A",
        "no secret": f"stn_{key_id}",
    }[change]

    with pytest.raises(Unauthenticated) as caught:
        key_holder(_table(_entry(key, key_id), _entry(other, other_id)), shown, now=START)

    with pytest.raises(Unauthenticated) as expired:
        key_holder(_table(_entry(key, key_id, expires=START)), key, now=START)
    assert caught.value.message == expired.value.message
    assert secret not in caught.value.message


def test_an_unknown_id_takes_the_same_comparison_as_a_wrong_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    key, key_id = new_key()
    compared: list[tuple[int, int]] = []

    def spy(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(keys, "hmac", type("Spied", (), {"compare_digest": staticmethod(spy)}))
    for shown in (key, f"stn_{key_id}_wrong", "stn_nobody00_wrong"):
        try:
            key_holder(_table(_entry(key, key_id)), shown, now=START)
        except Unauthenticated:
            continue

    assert compared == [(71, 71)] * 3
