"""Brings the schema to the newest version; runs at every start, inside the transaction it is given."""

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

_SCRIPTS: Final = Path(__file__).parent / "migrations"


def upgrade(connection: sa.Connection, revision: str = "head") -> None:
    """Blocking. The caller's transaction is the lock: on SQLite it is an immediate one, so of two nodes that start
    together the second finds the work done.
    """
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
