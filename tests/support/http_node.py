"""A node in this process with its HTTP dialects, and a client for them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from stenod_server.app.node import Node
from stenod_server.engine.fake import FakeEngine
from tests.support.node import fake_node


@dataclass(frozen=True, slots=True)
class HttpNode:
    """`client` has the node's address as its base."""

    node: Node
    client: httpx.AsyncClient

    @property
    def url(self) -> str:
        return f"http://{self.node.http_address}"


@asynccontextmanager
async def http_node(directory: Path, engine: FakeEngine | None = None, **parts: Any) -> AsyncIterator[HttpNode]:
    """As `fake_node`, with the dialects on a free port of loopback."""
    async with (
        fake_node(directory, engine, **{"http_listen": "127.0.0.1:0", **parts}) as node,
        httpx.AsyncClient(base_url=f"http://{node.http_address}", timeout=30.0) as client,
    ):
        yield HttpNode(node, client)
