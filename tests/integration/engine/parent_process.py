"""A stenod in miniature, to be killed: starts an embedded Triton, says READY, and waits for a window for ever."""

import asyncio
import sys
from pathlib import Path

import numpy as np

from stenod_server.engine.embedded import EmbeddedTriton
from stenod_server.ports import RecognitionRequest
from tests.support.triton import SLEEPER, sleeper_settings


async def main(root: Path) -> None:
    triton = EmbeddedTriton(sleeper_settings(root))
    await triton.start()
    print("READY", flush=True)
    window = RecognitionRequest(SLEEPER, "x-wait")
    await triton.engine.recognise(np.zeros(9, np.int16), window, timeout_s=1000.0)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
