"""Jobs that keep their media as long as their transcript, whatever others do."""

import sqlalchemy as sa
from alembic import op

revision = "r0005"
down_revision = "r0004"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("keep_media", sa.Boolean, nullable=False, server_default=sa.text("false")))
