"""What is closed is not connected to: a real listener counts."""

from collections.abc import AsyncIterator, Sequence

import pytest

from stenod_server.domain.job import RemoteMedia
from stenod_server.errors import FetchRefused
from stenod_server.fetch.fetcher import UriFetcher
from tests.support.fetching import fetched, fetching, names
from tests.support.origin import Origin, media, redirect, running_origin

PUBLIC = "93.184.215.14"


@pytest.fixture
async def guarded() -> AsyncIterator[UriFetcher]:
    """Reaches nothing that is not public, and one loopback address to be redirected from."""
    async with fetching(allow=("127.0.0.2/32",)) as opened:
        yield opened


async def test_a_literal_address_is_refused_without_the_network(origin: Origin, guarded: UriFetcher) -> None:
    origin.answers["/x"] = media(b"x")
    with pytest.raises(
        FetchRefused, match=r"127\.0\.0\.1 is a loopback address \(setting fetch_allow, --fetch-allow\)"
    ):
        guarded.check(RemoteMedia(uri=origin.url("/x")))
    with pytest.raises(FetchRefused):
        await fetched(guarded, origin.url("/x"))
    assert origin.connections == 0


async def test_a_redirect_is_judged_like_a_new_address(origin: Origin, guarded: UriFetcher) -> None:
    async with running_origin("127.0.0.2") as outside:
        outside.answers["/a"] = redirect(origin.url("/x"))
        with pytest.raises(FetchRefused, match=r"media\.uri: 127\.0\.0\.1 is a loopback"):
            await fetched(guarded, outside.url("/a"))
        assert (outside.connections, origin.connections) == (1, 0)


@pytest.mark.parametrize(
    "found",
    [["127.0.0.1"], [PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC], ["::1"], ["::ffff:127.0.0.1"], ["fe80::1%lo"]],
)
async def test_every_address_of_a_name_is_judged_before_any_is_dialled(origin: Origin, found: Sequence[str]) -> None:
    origin.answers["/x"] = media(b"x")
    async with fetching(allow=(), resolve=names({"media.test": found})) as guarded:
        with pytest.raises(FetchRefused, match=r"media\.test leads to a") as failure:
            await fetched(guarded, origin.url("/x", host="media.test"))
    assert "127.0.0.1" not in failure.value.message
    assert origin.connections == 0


async def test_a_name_is_looked_up_once_and_that_answer_is_dialled(origin: Origin) -> None:
    """Rebinding: allowed when it is judged, closed when it is dialled. There is no second look-up to be lied to."""
    origin.answers["/x"] = media(b"x")
    answers = [["127.0.0.2"], ["127.0.0.1"], ["127.0.0.1"]]
    asked = []

    async def rebinding(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    async with fetching(allow=("127.0.0.2/32",), resolve=rebinding) as guarded:
        async with running_origin("127.0.0.2") as outside:
            outside.answers["/x"] = media(b"outside")
            assert await fetched(guarded, outside.url("/x", host="media.test")) == b"outside"
        assert asked == ["media.test"]
        with pytest.raises(FetchRefused):
            await fetched(guarded, origin.url("/x", host="media.test"))
    assert origin.connections == 0


async def test_a_real_name_of_loopback_is_refused(origin: Origin) -> None:
    origin.answers["/x"] = media(b"x")
    async with fetching(allow=()) as guarded:
        with pytest.raises(FetchRefused):
            await fetched(guarded, origin.url("/x", host="localhost"))
    assert origin.connections == 0


async def test_an_opened_network_is_reached_by_number_and_by_name(origin: Origin) -> None:
    origin.answers["/x"] = media(b"x")
    async with fetching(allow=("127.0.0.1/32",), resolve=names({"media.test": ["127.0.0.1"]})) as opened:
        assert await fetched(opened, origin.url("/x")) == b"x"
        assert await fetched(opened, origin.url("/x", host="media.test")) == b"x"
    assert origin.asked[1].headers["host"] == f"media.test:{origin.port}"


async def test_the_next_address_of_a_name_is_tried(origin: Origin) -> None:
    origin.answers["/x"] = media(b"x")
    async with fetching(resolve=names({"media.test": ["127.0.0.3", "127.0.0.1"]})) as opened:
        assert await fetched(opened, origin.url("/x", host="media.test")) == b"x"


async def test_ipv6_is_reached_and_refused_alike() -> None:
    async with running_origin("::1") as origin:
        origin.answers["/x"] = media(b"x")
        async with fetching(allow=("127.0.0.0/8",)) as guarded:
            with pytest.raises(FetchRefused):
                await fetched(guarded, origin.url("/x"))
        assert origin.connections == 0
        async with fetching() as opened:
            assert await fetched(opened, origin.url("/x")) == b"x"
