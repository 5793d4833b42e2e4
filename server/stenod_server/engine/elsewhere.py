"""`Elsewhere`: the recognisers of a cluster, as a node knows them that has none of its own."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, NoReturn

import structlog

from stenod_server.errors import EngineUnavailable, StoreUnavailable
from stenod_server.ports import (
    Clock,
    Int16Audio,
    ModelProfile,
    RecognitionRequest,
    VoiceProfile,
    WindowResult,
    WindowVoices,
)
from stenod_server.ports.cluster import NodeReport, NodeStore

LOOK_S: Final = 2.0
ALIVE_S: Final = 10.0  # a node that has said nothing for so long is not counted on

_log = structlog.get_logger()


class Elsewhere:
    """Implements `ports.Engine` by what the nodes say of their models; it recognises nothing. Open with `start`."""

    def __init__(self, nodes: NodeStore, clock: Clock) -> None:
        self._nodes = nodes
        self._clock = clock
        self._workers: Sequence[NodeReport] = ()
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises StoreUnavailable."""
        await self._look()
        self._looking = asyncio.create_task(self._keep_looking(), name="nodes-elsewhere")

    async def recognise(self, audio: Int16Audio, request: RecognitionRequest, *, timeout_s: float) -> WindowResult:
        del audio, request, timeout_s
        self._refuse()

    async def voices(
        self, audio: Int16Audio, model: str, *, revision: str, interactive: bool, timeout_s: float
    ) -> WindowVoices:
        del audio, model, revision, interactive, timeout_s
        self._refuse()

    async def profiles(self) -> Mapping[str, ModelProfile]:
        """Those of all nodes that are up; raises EngineUnavailable while there is none with a recogniser."""
        await self._look_or_remember()
        profiles = {profile.model: profile for node in reversed(self._workers) for profile in node.models}
        if not profiles:
            raise EngineUnavailable("no node with a recogniser is up")
        return profiles

    async def voice_profiles(self) -> Mapping[str, VoiceProfile]:
        """As `profiles`; there may be none."""
        await self._look_or_remember()
        return {profile.model: profile for node in reversed(self._workers) for profile in node.voices}

    async def batch_statistics(self) -> Mapping[int, int]:
        """Whoever executes them tells of them."""
        return {}

    def is_ready(self, model: str = "") -> bool:
        """Whether the recogniser of any node is."""
        ready = (node for node in self._workers if node.ready and not node.draining)
        return any(not model or model in {profile.model for profile in node.models} for node in ready)

    async def close(self) -> None:
        """May be called twice."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self._look_or_remember()

    async def _look_or_remember(self) -> None:
        with contextlib.suppress(StoreUnavailable):  # what was known is as good as can be had
            await self._look()

    async def _look(self) -> None:
        known = await self._nodes.nodes(since=self._clock.now() - timedelta(seconds=ALIVE_S))
        self._workers = [node for node in known if node.max_engines]

    def _refuse(self) -> NoReturn:
        raise EngineUnavailable("this node only answers the API; it has no recogniser of its own")
