"""Locks on what no row stands for: names that a transaction holds until it ends, over all nodes of a database."""

import hashlib

import sqlalchemy as sa


def hold(connection: sa.Connection, *name: str) -> None:
    """Wait until nobody else holds it. SQLite has one writer, so that its transactions hold everything already."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.literal(_key(name), sa.BigInteger))))


def _key(name: tuple[str, ...]) -> int:
    digest = hashlib.sha256("\0".join(("stenod", *name)).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
