"""INSERT where there may be such a row already; SQLAlchemy has a form of it for each database."""

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

_INSERT: Final[Mapping[str, Any]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


def insert_new(connection: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> bool:
    """False: there was one, which is left as it is. One that another transaction is about to insert is waited for."""
    statement = _INSERT[connection.dialect.name](table).on_conflict_do_nothing()
    return connection.execute(statement, dict(row)).rowcount > 0
