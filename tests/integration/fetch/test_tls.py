"""https: the name must be proven, although a number is dialled."""

import ssl
from collections.abc import AsyncIterator

import pytest
import trustme

from stenod_server.errors import FetchFailed, MediaNotFound
from tests.support.fetching import fetched, fetching, names
from tests.support.origin import Origin, media, redirect, running_origin

NAMES = names({name: ["127.0.0.1"] for name in ("media.test", "other.test")})


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
async def secure(authority: trustme.CA) -> AsyncIterator[Origin]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("media.test", "127.0.0.1").configure_cert(context)
    async with running_origin(tls=context) as origin:
        origin.answers["/x"] = media(b"x" * 100_000)
        yield origin


async def test_a_proven_name_is_fetched_from(secure: Origin, trusting: ssl.SSLContext) -> None:
    async with fetching(tls=trusting, resolve=NAMES) as fetcher:
        for host in ("media.test", ""):
            assert await fetched(fetcher, secure.url("/x", host=host)) == b"x" * 100_000


async def test_another_name_is_not(secure: Origin, trusting: ssl.SSLContext) -> None:
    async with fetching(tls=trusting, resolve=NAMES) as fetcher:
        with pytest.raises(FetchFailed, match=r"certificate is not accepted.*mismatch"):
            await fetched(fetcher, secure.url("/x", host="other.test"))
    assert secure.asked == []


async def test_an_unknown_authority_is_not(secure: Origin) -> None:
    async with fetching(resolve=NAMES) as fetcher:
        with pytest.raises(FetchFailed, match="certificate is not accepted"):
            await fetched(fetcher, secure.url("/x", host="media.test"))
    assert secure.asked == []


async def test_a_redirect_to_plain_http_is_not_followed(
    secure: Origin, origin: Origin, trusting: ssl.SSLContext
) -> None:
    origin.answers["/x"] = media(b"x")
    secure.answers["/a"] = redirect(origin.url("/x"))
    async with fetching(tls=trusting, resolve=NAMES) as fetcher:
        with pytest.raises(MediaNotFound, match="from https to http"):
            await fetched(fetcher, secure.url("/a", host="media.test"))
        assert origin.connections == 0
        origin.answers["/b"] = redirect(secure.url("/x"))
        assert len(await fetched(fetcher, origin.url("/b"))) == 100_000
