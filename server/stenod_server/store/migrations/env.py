"""Alembic's environment: migrates the connection that `migration.upgrade` hands over, in its transaction."""

from alembic import context

from stenod_server.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite's DDL rolls back like any other statement once the driver leaves BEGIN to us
)
context.run_migrations()
