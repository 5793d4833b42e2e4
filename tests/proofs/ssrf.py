"""Proof: no way to write an address makes the server connect to what is not public.

    python -m tests.proofs.ssrf

Every form is tried as a job's address and as the target of a redirect, by the real fetcher, while a listener waits on
every address. Where the kernel allows, that is done in a network of its own in which *all* addresses, public ones
too, lead to the listener: so a form that is not stopped arrives. Controls show that it would: the same forms with
everything opened, and a public address with nothing opened. Exit status 1 if anything closed was reached.
"""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from stenod_server.errors import InvalidRequest, StenodError
from stenod_server.fetch.fetcher import UriFetcher
from stenod_server.telemetry import logs
from tests.support.address_forms import NAMES, forms
from tests.support.fetching import fetched, fetching, names
from tests.support.origin import Origin, redirect, running_origin

OUTSIDE = "127.0.0.2"  # stands for the public: opened, so that there is something to be redirected from
PUBLIC = ("8.8.8.8", "[2606:4700:4700::1111]")
EVERYTHING = ("0.0.0.0/0", "::/0")
LOOPBACK_ALONE = ("127.0.0.1", "127.255.255.254", "[::1]", "[::ffff:7f00:1]", "localhost", "four.test", "six.test")
NEEDED_FORMS = 30


@dataclass(slots=True)
class Listener:
    """Counts connections, by the address that was dialled."""

    port: int
    reached: Counter[str] = field(default_factory=Counter)

    @property
    def times(self) -> int:
        return self.reached.total() - self.reached[OUTSIDE]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reached[writer.get_extra_info("sockname")[0].removeprefix("::ffff:")] += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret")
            await writer.drain()
        writer.close()


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a form: tried directly, and as a redirect."""

    form: str
    directly: str
    redirected: str
    is_refused: bool
    times_reached: int


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    """On every address of this network, IPv4 and IPv6, on one port."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as bound:
        listener = Listener(bound.getsockname()[1])
        async with await asyncio.start_server(listener.serve, sock=bound):
            yield listener


async def attempt(fetcher: UriFetcher, uri: str) -> tuple[str, bool]:
    """What the fetcher says, and whether it is a final refusal."""
    try:
        body = await fetched(fetcher, uri)
    except StenodError as error:
        return f"{type(error).__name__}: {error.message}", isinstance(error, InvalidRequest)
    return f"FETCHED {body!r}", False


async def try_form(fetcher: UriFetcher, form: str, listener: Listener, outside: Origin) -> Tried:
    uri, before = form.replace("{port}", str(listener.port)), listener.times
    outside.answers["/"] = redirect(_one_line(uri))
    directly, is_refused = await attempt(fetcher, uri)
    redirected, is_refused_there = await attempt(fetcher, outside.url("/"))
    return Tried(form, directly, redirected, is_refused and is_refused_there, listener.times - before)


async def try_all(tried: Sequence[str], *, allow: Sequence[str], stall_s: float = 10.0) -> Sequence[Tried]:
    """Every form with these networks opened."""
    known = {**NAMES, "media.test": (OUTSIDE,)}
    async with (
        listening() as listener,
        running_origin(OUTSIDE) as outside,
        fetching(allow=(*allow, f"{OUTSIDE}/32"), resolve=names(known), stall_s=stall_s) as fetcher,
    ):
        return [await try_form(fetcher, form, listener, outside) for form in tried]


async def rebind() -> Tried:
    """The name leads outside when it is judged, and to loopback at any later look-up."""
    answers = [(OUTSIDE,)]

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return answers.pop() if answers else ("127.0.0.1",)

    async with (
        listening() as listener,
        running_origin(OUTSIDE) as outside,
        fetching(allow=(f"{OUTSIDE}/32",), resolve=resolve) as fetcher,
    ):
        outside.answers["/"] = redirect(f"http://rebinding.test:{listener.port}/")
        first, is_refused_first = await attempt(fetcher, outside.url("/", host="rebinding.test"))
        then, is_refused_then = await attempt(fetcher, f"http://rebinding.test:{listener.port}/")
        is_refused = is_refused_first and is_refused_then
        return Tried("http://rebinding.test:{port}/", then, first, is_refused, listener.times)


async def control(*, has_own_network: bool) -> Sequence[Tried]:
    """The forms with everything opened. Without a network of one's own, those that cannot leave the machine."""
    chosen = forms() if has_own_network else [f"http://{host}:{{port}}/" for host in LOOPBACK_ALONE]
    return await try_all(chosen, allow=EVERYTHING, stall_s=1.0)


async def public() -> Sequence[Tried]:
    """Public addresses with nothing opened; only where they lead to the listener."""
    return await try_all([f"http://{host}:{{port}}/" for host in PUBLIC], allow=())


def _one_line(uri: str) -> str:
    """A header cannot hold a line's end; everything else goes out as it is."""
    return uri.replace("\n", "\t")


def _enter_own_network() -> int | None:
    """The exit status of this proof run in a network of its own; None where the kernel does not give one."""
    prefix = ["unshare", "--user", "--map-root-user", "--net"]
    if not (shutil.which("unshare") and shutil.which("ip")):
        return None
    set_up = "ip link set lo up && ip route add local 0.0.0.0/0 dev lo && ip -6 route add local ::/0 dev lo"
    if subprocess.run([*prefix, "sh", "-c", set_up], capture_output=True, check=False).returncode:
        return None
    python = [sys.executable, "-m", "tests.proofs.ssrf", "--inside"]
    return subprocess.run([*prefix, "sh", "-c", f'{set_up} && exec "$@"', "sh", *python], check=False).returncode


async def main(*, has_own_network: bool) -> int:
    logs.configure("error")
    tried = [*await try_all(forms(), allow=()), await rebind()]
    for row in tried:
        print(f"{row.form!r:44s} {row.directly}")
        if row.redirected != row.directly:
            print(f"{'  as a redirect':44s} {row.redirected}")
    reached = sum(row.times_reached for row in tried)
    loose = [row.form for row in tried if not row.is_refused or row.times_reached]
    print(f"\n{len(tried)} forms, each directly and as a redirect; not refused: {loose}")
    print(f"listener reached: {reached} times")
    opened = await control(has_own_network=has_own_network)
    arrived = sum(row.times_reached > 0 for row in opened)
    print(f"control, everything opened: {arrived} of {len(opened)} forms reach the listener, the others nothing")
    needed = NEEDED_FORMS if has_own_network else len(opened)
    good = not loose and not reached and len(tried) >= NEEDED_FORMS and arrived >= needed
    if not has_own_network:
        print("no network of its own: nothing that could leave this machine was tried in the control")
        return 0 if good else 1
    let_through = [row.form for row in await public() if row.times_reached]
    print(f"control, nothing opened: public addresses that reach the listener: {let_through}")
    return 0 if good and len(let_through) == len(PUBLIC) else 1


if __name__ == "__main__":
    is_inside = "--inside" in sys.argv
    code = None if is_inside else _enter_own_network()
    sys.exit(asyncio.run(main(has_own_network=is_inside)) if code is None else code)
