"""Locks on what no row stands for: names that a transaction holds until it ends, over all nodes of a database."""

import hashlib
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa


def hold(connection: sa.Connection, *name: str) -> None:
    """Wait until nobody else holds it. SQLite has one writer, so that its transactions hold everything already."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.literal(_key(name), sa.BigInteger))))


def try_hold(connection: sa.Connection, *name: str) -> bool:
    """Hold it if that is possible at once."""
    return _tried(connection, sa.func.pg_try_advisory_xact_lock, name)


def try_share(connection: sa.Connection, *name: str) -> bool:
    """Share it, if nobody holds it alone; while it is shared, nobody can hold it."""
    return _tried(connection, sa.func.pg_try_advisory_xact_lock_shared, name)


def _tried(connection: sa.Connection, take: Callable[..., sa.Function[Any]], name: tuple[str, ...]) -> bool:
    if connection.dialect.name != "postgresql":
        return True
    return bool(connection.execute(sa.select(take(sa.literal(_key(name), sa.BigInteger)))).scalar_one())


def _key(name: tuple[str, ...]) -> int:
    digest = hashlib.sha256("\0".join(("stenod", *name)).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
