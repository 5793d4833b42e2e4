"""Brings the schema to the newest version; runs at every start, inside the transaction it is given.

Nodes of two releases share a database while a cluster is upgraded, so a migration only adds what older nodes do not
miss: tables, columns that may be empty or have a default, indexes. What is to go, goes a release after the last one
that used it. OLDEST_NODE says so to nodes that are older than the schema.
"""

from functools import cache
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from stenod_server.errors import InvalidField
from stenod_server.store.tables import schema_rule

# Nodes that know this revision work with the schema as it is now. To be raised with a migration that takes away
# something they use.
OLDEST_NODE: Final = "r0010"
_SCRIPTS: Final = Path(__file__).parent / "migrations"


def upgrade(connection: sa.Connection, revision: str = "head") -> None:
    """Blocking. The caller's transaction is the lock, so that of two nodes that start together the second finds the
    work done. A schema that is newer than this node is left as it is. Raises InvalidField where that one says that it
    is none for this node.
    """
    found, known = _found(connection), _known()
    if found not in {None, *known}:
        _check_is_for(connection, max(known), found)
        return
    if found != max(known):
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    if revision == "head":
        is_other = schema_rule.c.oldest_node != OLDEST_NODE
        connection.execute(sa.update(schema_rule).where(is_other).values(oldest_node=OLDEST_NODE))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config


@cache
def _known() -> frozenset[str]:
    """The revisions this node knows; their names are in their order."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def _found(connection: sa.Connection) -> str | None:
    """None: there is no schema yet."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _check_is_for(connection: sa.Connection, newest: str, found: str | None) -> None:
    oldest = connection.execute(sa.select(schema_rule.c.oldest_node)).scalar_one()
    if newest < oldest:
        problem = f"its schema is {found}, for nodes of {oldest} or later, and this one knows {newest}: upgrade it"
        raise InvalidField("database", problem)
