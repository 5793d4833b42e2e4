"""A stenod in miniature, to be killed: starts an embedded Triton, says READY, and does nothing for ever."""

import asyncio
import sys
from pathlib import Path

from stenod_server.engine.embedded import EmbeddedTriton
from tests.support.triton import sleeper_settings


async def main(root: Path) -> None:
    triton = EmbeddedTriton(sleeper_settings(root))
    await triton.start()
    print("READY", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
