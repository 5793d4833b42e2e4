"""Starts one tritonserver and waits until it, and nobody else, answers at its port."""

import asyncio
import random
import re
import secrets
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from stenod_server.engine.child import Child, DeadMansSwitch
from stenod_server.engine.directory import TritonDirectory
from stenod_server.engine.target import Target
from stenod_server.engine.tritonserver import Installation, Launch, environment
from stenod_server.errors import TritonFailed, Unavailable

# Below every default range of ephemeral ports: an outgoing connection of anybody cannot take it while Triton restarts.
_PORTS: Final = range(20_000, 32_000)
_PORT_TRIES: Final = 8
_STARTS: Final = 3  # of a Triton that loses a model's process on the way
_POLL_S: Final = 0.05
# A model's process was killed, or a busy machine did not let it run for a second. Triton then ends, by itself or in the
# attempt to lock what the two of them shared; or it waits for ever for a process that fell over such a lock.
_STUB_LOST: Final = re.compile(r"Stub process .* is not healthy|obtain the health mutex|interprocess::lock_exception")
_LAST_WORDS_S: Final = 2.0  # from that line to the end of Triton, where it ends

_log = structlog.get_logger()


class _PortTaken(Exception):
    """Somebody took the port between the choice and Triton's bind; another one is tried."""


class _StubLost(Exception):
    """Triton gave up a model's process while it loaded: that may pass, so it is started anew."""


def free_port() -> int:
    """A TCP port that nobody listens on at 127.0.0.1 now."""
    for port in random.sample(_PORTS, len(_PORTS)):
        if is_free(port):
            return port
    raise TritonFailed(f"no port from {_PORTS.start} to {_PORTS.stop - 1} is free on 127.0.0.1")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As Triton does it: a port whose last connections linger in TIME_WAIT can be had.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass(frozen=True, slots=True)
class Running:
    """A tritonserver that answers. Its models are loaded; whether they are right, the canaries say."""

    child: Child
    port: int

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.port}"


class Launcher:
    """Makes every start alike but for its id and its port; the port of the last start is tried first, so that the
    address stays. `open` before the first start, `close` after the last Triton ended.
    """

    def __init__(
        self,
        installation: Installation,
        directory: TritonDirectory,
        make_launch: Callable[[str, int], Launch],
        *,
        nice: int,
        choose_port: Callable[[], int] = free_port,
    ) -> None:
        self._installation = installation
        self._directory = directory
        self._make_launch = make_launch
        self._nice = nice
        self._choose_port = choose_port
        self._last_port = 0
        self._switch = DeadMansSwitch()

    async def open(self) -> None:
        await self._switch.arm()

    async def close(self) -> None:
        await self._switch.disarm()

    async def launch(self, inherited: dict[str, str], *, timeout_s: float) -> Running:
        """Spawn, and return once it answers. Raises TritonFailed; then, and when cancelled, nothing runs."""
        starts = 0
        for _ in range(_PORT_TRIES):
            port = self._last_port if self._last_port and is_free(self._last_port) else self._choose_port()
            try:
                running = await self._launch_at(port, inherited, timeout_s)
            except OSError as error:  # no memory or no process to be had: that may pass
                raise TritonFailed(f"tritonserver cannot be started: {error}") from error
            except _PortTaken as error:
                _log.warning("triton_port_taken", port=port, problem=str(error))
                self._last_port = 0
                continue
            except _StubLost as error:
                starts += 1
                _log.warning("triton_lost_a_model_while_starting", problem=str(error), starts=starts)
                if starts == _STARTS:
                    raise TritonFailed(f"{error} ({starts} starts in turn)") from error
                continue
            self._last_port = port
            return running
        raise TritonFailed(f"{_PORT_TRIES} ports in turn were taken by others before Triton could have one")

    async def _launch_at(self, port: int, inherited: dict[str, str], timeout_s: float) -> Running:
        server_id = f"stenod-{secrets.token_hex(8)}"
        launch = self._make_launch(server_id, port)
        await self._switch.cover(server_id)
        child = await Child.spawn(
            launch.command(self._installation.binary),
            environment(self._installation, inherited),
            server_id=server_id,
            nice=self._nice,
        )
        running = Running(child, port)
        try:
            self._directory.record(child.pid, server_id)
            async with asyncio.timeout(timeout_s):
                await _until_answers(running, server_id)
        except BaseException as error:
            await child.kill()
            if isinstance(error, TimeoutError):
                raise TritonFailed(f"Triton did not load its models within {timeout_s:g} s") from error
            raise
        return running


async def _until_answers(running: Running, server_id: str) -> None:
    child = running.child
    ended = asyncio.create_task(child.wait())
    answers = asyncio.create_task(_answers(running, server_id))
    lost = asyncio.create_task(_until_stub_lost(child))
    try:
        await asyncio.wait({ended, answers, lost}, return_when=asyncio.FIRST_COMPLETED)
        if answers.done():
            answers.result()  # raises what it found
            return
        await asyncio.wait({ended}, timeout=_LAST_WORDS_S)
    finally:
        for task in (ended, answers, lost):
            task.cancel()
        await asyncio.gather(answers, lost, return_exceptions=True)
    raise _why_ended(child.problems, ended.result() if ended.done() and not ended.cancelled() else None)


def _why_ended(problems: Iterable[str], status: int | None) -> Exception:
    """`status` None: it has not ended, but will never answer."""
    said = list(problems)
    if any("already in use" in problem for problem in said):
        return _PortTaken(said[-1])
    outcome = "hung" if status is None else f"ended with status {status}"
    message = f"tritonserver {outcome} while it started: {'; '.join(said) or 'it said nothing'}"
    return _StubLost(message) if any(map(_STUB_LOST.search, said)) else TritonFailed(message)


async def _until_stub_lost(child: Child) -> None:
    while True:
        if any(map(_STUB_LOST.search, child.problems)):
            return
        await asyncio.sleep(_POLL_S)


async def _answers(running: Running, server_id: str) -> None:
    """Triton opens its port once every model is loaded. Raises _PortTaken when another Triton answers there.

    Anything else that listens there is Triton's to notice: it ends when it cannot bind.
    """
    while True:
        if await _accepts(running.port):
            with suppress(Unavailable):
                name = await _identity(running.url)
                if name != server_id:
                    raise _PortTaken(f"another Triton answers at {running.url}")
                return
        await asyncio.sleep(_POLL_S)


async def _accepts(port: int) -> bool:
    try:
        _reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def _identity(url: str) -> str:
    target = Target(url, {})
    try:
        return (await target.identity()).name
    finally:
        await target.close()


def inherited_environment(source: dict[str, str], data_dir: Path) -> dict[str, str]:
    """What the child gets of our environment: all but our own settings, which may hold secrets."""
    kept = {key: value for key, value in source.items() if not key.startswith("STENOD_")}
    return {**kept, "HOME": kept.get("HOME", str(data_dir))}
