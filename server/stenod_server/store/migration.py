"""Brings the schema to the newest version; runs at every start, inside the transaction it is given.

Nodes of two releases share a database while a cluster is upgraded, so a migration only adds what older nodes do not
miss: tables, columns that may be empty or have a default, indexes. What is to go, goes a release after the last one
that used it. OLDEST_NODE says so to nodes that are older than the schema.
"""

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
OLDEST_NODE: Final = "r0008"
_SCRIPTS: Final = Path(__file__).parent / "migrations"


def upgrade(connection: sa.Connection, revision: str = "head") -> None:
    """Blocking. The caller's transaction is the lock, so that of two nodes that start together the second finds the
    work done. A schema that is newer than this node is left as it is. Raises InvalidField where that one says that it
    is none for this node.
    """
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    if _is_newer(connection, ScriptDirectory.from_config(config)):
        return
    command.upgrade(config, revision)
    if revision == "head":
        connection.execute(sa.update(schema_rule).values(oldest_node=OLDEST_NODE))


def _is_newer(connection: sa.Connection, scripts: ScriptDirectory) -> bool:
    if not sa.inspect(connection).has_table("alembic_version"):
        return False
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    known = {script.revision for script in scripts.walk_revisions()}
    if found is None or found in known:
        return False
    newest = max(known)
    oldest = connection.execute(sa.select(schema_rule.c.oldest_node)).scalar_one()
    if newest < oldest:
        problem = f"its schema is {found}, for nodes of {oldest} or later, and this one knows {newest}: upgrade it"
        raise InvalidField("database", problem)
    return True
