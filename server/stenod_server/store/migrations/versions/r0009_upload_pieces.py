"""Uploads whose bytes are pieces in a bucket."""

import sqlalchemy as sa
from alembic import op

revision = "r0009"
down_revision = "r0008"


def upgrade() -> None:
    op.create_table(
        "upload_pieces",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("offset_bytes", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("object_key", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", "offset_bytes", name=op.f("pk_upload_pieces")),
        sa.CheckConstraint("offset_bytes >= 0 AND size_bytes > 0", name=op.f("ck_upload_pieces_bytes")),
    )
