"""Whether there is room in the queue, also while others submit."""

from typing import Final

import sqlalchemy as sa

from stenod_server.store import job_queries, locks

# So close to the limit, submits count one after the other. More than can be under way at a time elsewhere: those that
# found room without the lock are stored soon, and are fewer than the places left.
_NEAR: Final = 256


def is_full(connection: sa.Connection, most: int, tenant: str = "") -> bool:
    """Whether so many jobs wait already: all of them, or a tenant's. False: there is a place for one, until the end of
    the transaction.
    """
    counted = tenant or None
    if job_queries.count_queued(connection, counted) < most - _NEAR:
        return False
    locks.hold(connection, "queue", tenant)
    return job_queries.count_queued(connection, counted) >= most
