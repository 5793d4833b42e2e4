"""Ends the Triton of a stenod that died: `python -P -m stenod_server.engine.dead_mans_switch`, ids on its input.

stenod holds the other end of the pipe and writes the id of each Triton before it starts it. The pipe ends when stenod
does, however it does; what then still runs under those ids is killed. The death signal of `tied_exec` reaches
tritonserver alone, and a Python stub whose server is killed while it works on a window waits for it for ever, with the
model in its memory. Imports the standard library and `processes` only: it sits there as long as stenod runs.
"""

import sys
import time
from typing import Final

from stenod_server.engine import processes

_PATIENCE_S: Final = 10.0
_POLL_S: Final = 0.05


def main() -> None:
    server_ids = {line.strip() for line in sys.stdin}
    give_up_s = time.monotonic() + _PATIENCE_S
    # Again and again: a server may be starting its stubs while it is looked for.
    while _kill(server_ids) and time.monotonic() < give_up_s:
        time.sleep(_POLL_S)


def _kill(server_ids: set[str]) -> list[int]:
    return [pid for server_id in server_ids for pid in processes.kill(server_id)]


if __name__ == "__main__":
    main()
