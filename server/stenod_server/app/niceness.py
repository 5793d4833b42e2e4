"""How the processes beside the server yield to it."""

from typing import Final

# Decoders and recognisers keep every core busy; the server, which answers, stores and feeds them, needs little, but at
# once. Where Linux groups sessions for scheduling (sched(7), autogroup), niceness counts among the processes of one
# session alone, so they all stay in the server's. Not more: beside other programs of that session it leaves them a
# tenth of a core, and Triton gives up a stub of which it has not heard for a second.
WORKER_NICE: Final = 10
