"""`SqlNodeStore`: the nodes of the cluster. What each method means stands in `ports.cluster.NodeStore`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from stenod_server.ports.cluster import NodeReport, SignalKind
from stenod_server.ports.recognition import ModelProfile, VoiceProfile
from stenod_server.store.codec import to_json
from stenod_server.store.database import Database
from stenod_server.store.tables import UtcDateTime, nodes
from stenod_server.store.telling import tell

P = TypeVar("P", ModelProfile, VoiceProfile)

# In these words both SQLite and PostgreSQL take it; SQLAlchemy's own upserts are of one database each.
_REPORT: Final = sa.text(
    "INSERT INTO nodes (node, seen, report) VALUES (:node, :seen, :report) "
    "ON CONFLICT (node) DO UPDATE SET seen = excluded.seen, report = excluded.report"
).bindparams(sa.bindparam("seen", type_=UtcDateTime))


class SqlNodeStore:
    """Implements `ports.cluster.NodeStore`; the database is the job store's to close."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def report(self, report: NodeReport) -> None:
        await self._database.write(partial(_report, report=report))

    async def nodes(self, *, since: datetime) -> Sequence[NodeReport]:
        return await self._database.read(partial(_nodes, since=since))

    async def forget(self, node: str) -> None:
        await self._database.write(partial(_forget, node=node))


def _report(connection: sa.Connection, report: NodeReport) -> None:
    """Told only where it says something new: every node that hears it looks."""
    text = _report_json(report)
    known = connection.execute(sa.select(nodes.c.report).where(nodes.c.node == report.node)).scalar()
    connection.execute(_REPORT, {"node": report.node, "seen": report.seen, "report": text})
    if known != text:
        tell(connection, SignalKind.CAPACITY, report.node)


def _nodes(connection: sa.Connection, since: datetime) -> Sequence[NodeReport]:
    statement = sa.select(nodes).where(nodes.c.seen >= since).order_by(nodes.c.node)
    return [_read_report(row) for row in connection.execute(statement)]


def _forget(connection: sa.Connection, node: str) -> None:
    if connection.execute(sa.delete(nodes).where(nodes.c.node == node)).rowcount:
        tell(connection, SignalKind.CAPACITY, node)


def _report_json(report: NodeReport) -> str:
    plain = asdict(report)
    for column in ("node", "seen"):
        del plain[column]
    return to_json(plain)


def _read_report(row: sa.Row[Any]) -> NodeReport:
    """Of a node that is newer or older than this one, too: what this one does not know is left out."""
    plain = _known(NodeReport, json.loads(row.report))
    plain["models"] = tuple(_profile(ModelProfile, one) for one in plain["models"])
    plain["voices"] = tuple(_profile(VoiceProfile, one) for one in plain["voices"])
    return NodeReport(node=row.node, seen=row.seen, **plain)


def _profile(kind: type[P], plain: Mapping[str, Any]) -> P:
    known: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
    return kind(**_known(kind, known))


def _known(kind: type[Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in plain.items() if name in names}
