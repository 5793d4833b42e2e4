"""API keys: `stn_<id>_<secret>`. The id finds the entry; the secret is known to the caller alone."""

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Final

from stenod_server.access.access_file import AccessTable
from stenod_server.access.refusal import refused
from stenod_server.domain.access import Principal

PREFIX: Final = "stn_"
SECRET_BYTES: Final = 32
_ID_CHARACTERS: Final = 8
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is misread
_NOBODY: Final = "sha256:" + "0" * 64  # no key has this hash


def new_key() -> tuple[str, str]:
    """A key and its id."""
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_CHARACTERS))
    return f"{PREFIX}{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}", key_id


def hash_of(key: str) -> str:
    """What is stored of a key.

    A fast hash is right here, where it would be wrong for a password: a key has 256 random bits, so there is nothing to
    guess that stretching would make dearer, and a slow hash would only be a way to keep the server busy.
    """
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def is_key(bearer: str) -> bool:
    return bearer.startswith(PREFIX)


def key_holder(table: AccessTable, key: str, *, now: datetime) -> Principal:
    """Who holds the key. Takes the same time for an unknown id as for a wrong secret. Raises Unauthenticated."""
    key_id = key.removeprefix(PREFIX).partition("_")[0]
    entry = table.keys.get(key_id)
    is_right = hmac.compare_digest(hash_of(key), entry.hash if entry else _NOBODY)
    if entry is None or not is_right:
        raise refused("unknown key" if entry is None else "wrong secret", key_id=key_id[:32])
    if entry.expires and entry.expires <= now:
        raise refused("expired key", key_id=entry.id)
    return Principal(entry.tenant, f"key:{entry.id}", entry.scopes)
