"""Locks on what no row stands for: names that a transaction holds until it ends, over all nodes of a database."""

import hashlib

import sqlalchemy as sa


def hold(connection: sa.Connection, *name: str) -> None:
    """Wait until nobody else holds it. SQLite has one writer, so that its transactions hold everything already."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.literal(_key(name), sa.BigInteger))))


def try_hold(connection: sa.Connection, *name: str) -> bool:
    """Hold it if that is possible at once."""
    if connection.dialect.name != "postgresql":
        return True
    lock = sa.func.pg_try_advisory_xact_lock(sa.literal(_key(name), sa.BigInteger))
    return bool(connection.execute(sa.select(lock)).scalar_one())


def sharing(connection: sa.Connection, *name: str) -> sa.ColumnElement[bool]:
    """A column that says whether it is shared from then on; while it is, nobody can hold it. Nobody is waited for."""
    if connection.dialect.name != "postgresql":
        return sa.true()
    return sa.func.pg_try_advisory_xact_lock_shared(sa.literal(_key(name), sa.BigInteger), type_=sa.Boolean)


def _key(name: tuple[str, ...]) -> int:
    digest = hashlib.sha256("\0".join(("stenod", *name)).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
