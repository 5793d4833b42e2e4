"""Until when the request id of a deleted job stays known."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "r0004"
down_revision = "r0003"

_TIME = sa.DateTime(timezone=True)
_KEPT = timedelta(days=7)  # when these jobs were deleted is not known: as long again as the default retention


def upgrade() -> None:
    op.add_column("idempotency_keys", sa.Column("expire_time", _TIME))
    condition = sa.text("expire_time IS NOT NULL")
    op.create_index(
        "ix_idempotency_keys_expire_time",
        "idempotency_keys",
        ["expire_time"],
        sqlite_where=condition,
        postgresql_where=condition,
    )
    statement = sa.text(
        "UPDATE idempotency_keys SET expire_time = :until "
        "WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.job_id = idempotency_keys.job_id)"
    ).bindparams(sa.bindparam("until", type_=_TIME))
    op.get_bind().execute(statement, {"until": datetime.now(UTC) + _KEPT})
