"""Which Tritons there are: names that change their addresses, lose them, or cannot be looked up."""

import asyncio
import socket
from collections.abc import Collection, Sequence

import pytest

from stenod_server.engine.discovery import LOOK_S, LOOK_SOON_S, Discovery, Endpoint, keep_looking, parse, resolve
from stenod_server.errors import InvalidField
from tests.support.virtual_time import VirtualTime


class _Names:
    """A resolver whose answers a test sets."""

    def __init__(self, *addresses: str) -> None:
        self.addresses: Sequence[str] = addresses
        self.problem: OSError | None = None

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        assert (host, port) == ("tritons", 8001)
        if self.problem:
            raise self.problem
        return self.addresses


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("triton:8001", Endpoint("triton", 8001, is_name=False)),
        ("[::1]:8001", Endpoint("::1", 8001, is_name=False)),
        ("dns:///tritons.speech.svc:8001", Endpoint("tritons.speech.svc", 8001, is_name=True)),
    ],
)
def test_an_endpoint_is_a_host_or_a_name(url: str, endpoint: Endpoint) -> None:
    assert parse([url]) == (endpoint,)


@pytest.mark.parametrize(
    "url", ["", "triton", "triton:", ":8001", "triton:x", "triton:0", "triton:65536", "http://triton:8001", "::1:8001"]
)
def test_what_is_neither_is_refused(url: str) -> None:
    with pytest.raises(InvalidField, match="triton_url"):
        parse([url])


async def test_each_address_of_a_name_is_a_triton_beside_those_that_are_named() -> None:
    names = _Names("10.0.0.2:8001", "10.0.0.1:8001")
    discovery = Discovery(parse(["10.0.0.2:8001", "dns:///tritons:8001"]), names)
    assert discovery.changes
    assert await discovery.look() == ["10.0.0.2:8001", "10.0.0.1:8001"]
    assert not Discovery(parse(["10.0.0.2:8001"]), names).changes


async def test_a_name_that_cannot_be_looked_up_keeps_its_addresses() -> None:
    names = _Names("10.0.0.1:8001")
    discovery = Discovery(parse(["dns:///tritons:8001"]), names)
    await discovery.look()
    names.problem = socket.gaierror(socket.EAI_AGAIN, "try again")
    assert await discovery.look() == ["10.0.0.1:8001"]


async def test_a_name_without_an_address_takes_away_only_who_does_not_answer() -> None:
    names = _Names("10.0.0.1:8001", "10.0.0.2:8001")
    discovery = Discovery(parse(["dns:///tritons:8001"]), names)
    await discovery.look()
    names.addresses = ()
    assert await discovery.look(answering={"10.0.0.2:8001"}) == ["10.0.0.2:8001"]
    assert await discovery.look() == []
    names.addresses = ("10.0.0.3:8001",)
    assert await discovery.look() == ["10.0.0.3:8001"]


async def test_the_name_of_this_machine_is_found_and_one_that_nobody_has_is_nothing() -> None:
    assert "127.0.0.1:8001" in await resolve("localhost", 8001)
    assert await resolve("127.0.0.1", 8001) == ["127.0.0.1:8001"]


class _Follower:
    def __init__(self) -> None:
        self.answering: Collection[str] = ()
        self.told: list[Sequence[str]] = []

    def follow(self, urls: Sequence[str]) -> None:
        self.told.append(urls)


async def test_it_looks_again_and_sooner_while_nobody_answers() -> None:
    time, follower = VirtualTime(), _Follower()
    looking = asyncio.create_task(
        keep_looking(Discovery(parse(["dns:///tritons:8001"]), _Names("10.0.0.1:8001")), follower, sleep=time.sleep)
    )
    await time.pass_s(3 * LOOK_SOON_S)
    assert follower.told == [["10.0.0.1:8001"]] * 3
    follower.answering = {"10.0.0.1:8001"}
    await time.pass_s(LOOK_SOON_S + 2 * LOOK_S)
    assert len(follower.told) == 6
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
