"""`Nowhere`: the audio front end of a node that runs no jobs, and so decodes nothing."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from stenod_server.errors import EngineUnavailable
from stenod_server.ports import AudioProgress, AudioSummary, Window, WindowPlan


class Nowhere:
    """Implements `ports.AudioFrontEnd`: it refuses."""

    def windows(
        self, path: Path, plan: WindowPlan
    ) -> AbstractAsyncContextManager[AsyncIterator[Window | AudioProgress | AudioSummary]]:
        del path, plan
        raise EngineUnavailable("this node only answers the API; it decodes nothing")

    async def close(self) -> None: ...
