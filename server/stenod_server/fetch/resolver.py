"""Names to addresses, as the system does it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

# Gives the IP addresses of a host name, in the order in which they are to be tried. Raises OSError.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """What `getaddrinfo` says. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
