"""How the processes beside the server yield to it."""

from collections.abc import Mapping
from typing import Final

# Decoders and recognisers keep every core busy; the server, which answers, stores and feeds them, needs little, but at
# once. Where Linux groups sessions for scheduling (sched(7), autogroup), niceness counts among the processes of one
# session alone, so they all stay in the server's. `low` leaves them a tenth of a core beside other programs of that
# session; with `idle` they stand still there, and Triton gives up a stub of which it has not heard for a second.
WORKER_NICE: Final[Mapping[str, int]] = {"low": 10, "idle": 20}
