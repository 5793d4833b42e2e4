"""Hosts of a private network on this machine: a namespace for each, joined by a bridge, so that one can be cut off.

Its addresses are private and nothing is routed: only processes that are started on its hosts, and this one, are on it.
"""

import itertools
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from tests.support.small_disk import NotPermitted

_PREFIX: Final = "10.203"
# A namespace that was deleted keeps its end of a cable for a while: no name is used twice.
_networks: Final = itertools.count()


@dataclass(frozen=True, slots=True)
class Host:
    """`address` is its own; `prefix` goes before a command that is to run there."""

    address: str
    namespace: str
    cable: str
    bridge: str

    @property
    def prefix(self) -> Sequence[str]:
        return ("ip", "netns", "exec", self.namespace)

    def cut_off(self) -> None:
        """Nothing reaches it and nothing leaves it; nobody is told. What it runs goes on."""
        _ip("link", "set", self.cable, "nomaster")

    def join(self) -> None:
        _ip("link", "set", self.cable, "master", self.bridge)


@dataclass(frozen=True, slots=True)
class PrivateNetwork:
    """`gateway` is this machine's own address on it."""

    gateway: str
    hosts: Sequence[Host]


@contextmanager
def private_network(hosts: int) -> Iterator[PrivateNetwork]:
    """Raises NotPermitted where network namespaces cannot be made."""
    number = os.getpid() % 9973
    subnet, tag = f"{_PREFIX}.{number % 250}", f"st{number}n{next(_networks)}"
    bridge = f"{tag}b"
    with ExitStack() as stack:
        try:
            _ip("link", "add", bridge, "type", "bridge")
            stack.callback(_ip, "link", "delete", bridge)
            _ip("address", "add", f"{subnet}.1/24", "dev", bridge)
            _ip("link", "set", bridge, "up")
            made = [_plugged_in(stack, f"{tag}h{place}", f"{subnet}.{place + 2}", bridge) for place in range(hosts)]
        except (OSError, subprocess.CalledProcessError) as error:
            message = f"no network namespace can be made: {getattr(error, 'stderr', '') or error}"
            raise NotPermitted(message) from error
        yield PrivateNetwork(f"{subnet}.1", made)


def _plugged_in(stack: ExitStack, name: str, address: str, bridge: str) -> Host:
    cable, inside = f"{name}o", f"{name}i"
    _ip("netns", "add", name)
    stack.callback(_ip, "netns", "delete", name)  # and its end of the cable with it
    _ip("link", "add", cable, "type", "veth", "peer", "name", inside)
    _ip("link", "set", inside, "netns", name)
    _ip("link", "set", cable, "master", bridge, "up")
    for command in (
        ("link", "set", "lo", "up"),
        ("address", "add", f"{address}/24", "dev", inside),
        ("link", "set", inside, "up"),
    ):
        _ip("-n", name, *command)
    return Host(address, name, cable, bridge)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
