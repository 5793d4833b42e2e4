"""The seam between what the store says in SQL and the database that runs it.

An operation is a plain function of a SQLAlchemy `Connection`. A database with an async driver runs it through
`AsyncConnection.run_sync`; SQLite runs it on a thread of its own. Either way a whole transaction costs the event loop
one hop, not one for every statement, fetch and close (measured on SQLite: a third of aiosqlite's time).
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

import sqlalchemy as sa

from stenod_server.ports.media import Written

T = TypeVar("T")


class Database(Protocol):
    """Runs operations. Any call may raise StoreUnavailable, or Broken where a constraint is hurt."""

    async def read(self, operation: Callable[[sa.Connection], T]) -> T:
        """Run one statement that changes nothing. Sees every write that has returned."""
        ...

    async def write(self, operation: Callable[[sa.Connection], T], *, after: Written = None) -> T:
        """Run the operation in a transaction, durable on return; when it raises, nothing of it stays. Nor does anything
        before `after` is done, whose exception is raised here.

        What it tells (`telling.tell`) is told once it is durable. It may be run more than once, on a database with a
        connection that can be lost even after it was committed: so it finds by itself what it has done already.
        Writes may overlap: what one depends on, it locks. A caller that is cancelled may leave its write done.
        """
        ...

    async def scrub(self) -> bool:
        """See that nothing that was deleted is left in a file. False: a reader is in the way; ask again later."""
        ...

    async def close(self) -> None:
        """Finish the writes under way, then close. May be called twice."""
        ...
