"""INSERT where there may be such a row already; SQLAlchemy has a form of it for each database."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

_INSERT: Final[Mapping[str, Any]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


def insert_new(connection: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> bool:
    """False: there was one, which is left as it is. One that another transaction is about to insert is waited for."""
    return connection.execute(_insert_new(connection.dialect.name, table), dict(row)).rowcount > 0


@cache
def _insert_new(dialect: str, table: sa.Table) -> Any:
    return _INSERT[dialect](table).on_conflict_do_nothing()
