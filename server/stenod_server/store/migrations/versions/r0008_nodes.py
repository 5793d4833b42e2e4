"""The nodes of a cluster; and which of them may work with a schema that is newer than they are."""

import sqlalchemy as sa
from alembic import op

revision = "r0008"
down_revision = "r0007"


def upgrade() -> None:
    op.create_table(
        "nodes",
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("report", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_nodes")),
    )
    op.create_table(
        "schema_rule",
        sa.Column("rule_id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("oldest_node", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("rule_id", name=op.f("pk_schema_rule")),
        sa.CheckConstraint("rule_id = 1", name=op.f("ck_schema_rule_only_one")),
    )
    op.execute("INSERT INTO schema_rule (rule_id, oldest_node) VALUES (1, 'r0008')")
