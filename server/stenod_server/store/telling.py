"""What a transaction has to tell: noted on its connection as it runs, taken by the database when it has committed."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from stenod_server.ports.cluster import Signal, SignalKind

_TOLD: Final = "stenod_told"


def tell(connection: sa.Connection, kind: SignalKind, name: str = "") -> None:
    """Once a transaction, however often it is said."""
    connection.info.setdefault(_TOLD, {})[Signal(kind, name)] = None


def take_told(connection: sa.Connection) -> Sequence[Signal]:
    """In the order in which it was said; nothing is left."""
    return tuple(connection.info.pop(_TOLD, ()))
