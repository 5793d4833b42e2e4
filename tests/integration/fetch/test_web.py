"""http(s) against a real server that behaves well or badly."""

import gzip
import logging

import pytest

from stenod_server.domain.job import RemoteMedia
from stenod_server.errors import FetchFailed, LimitExceeded, MediaNotFound, StenodError
from stenod_server.fetch.fetcher import UriFetcher
from stenod_server.fetch.web import MAX_REDIRECTS
from tests.support.fetching import MIB, fetched, fetching
from tests.support.origin import (
    Origin,
    dripping,
    head,
    media,
    raw,
    redirect,
    resetting,
    running_origin,
    stalling,
    status,
)

BODY = bytes(range(256)) * 1000


async def test_media_arrives_with_its_size_and_name(origin: Origin, fetcher: UriFetcher) -> None:
    origin.answers["/calls/a%20b.wav"] = media(BODY)
    async with fetcher.open(RemoteMedia(uri=origin.url("/calls/a%20b.wav?sig=1")), max_bytes=MIB) as found:
        assert (found.size_bytes, found.file_name) == (len(BODY), "a b.wav")
        assert b"".join([chunk async for chunk in found.chunks]) == BODY
    assert origin.asked[0].path == "/calls/a%20b.wav?sig=1"


async def test_a_name_given_by_the_origin_goes_first(origin: Origin, fetcher: UriFetcher) -> None:
    origin.answers["/download"] = media(BODY, content_disposition='attachment; filename="../../etc/call 7.mp3"')
    async with fetcher.open(RemoteMedia(uri=origin.url("/download")), max_bytes=MIB) as found:
        assert found.file_name == "call 7.mp3"


async def test_media_without_a_length_arrives(origin: Origin, fetcher: UriFetcher) -> None:
    origin.answers["/chunked"] = raw(head(200, transfer_encoding="chunked") + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    origin.answers["/until-close"] = raw(head(200) + b"abcde")
    for path in origin.answers:
        assert await fetched(fetcher, origin.url(path)) == b"abcde"


async def test_the_callers_headers_and_user_are_sent(origin: Origin, fetcher: UriFetcher) -> None:
    origin.answers["/x"] = media(b"x")
    await fetched(fetcher, origin.url("/x"), ("Authorization", "Bearer secret"), ("X-Key", "k"), ("User-Agent", "me"))
    sent = origin.asked[0].headers
    assert (sent["authorization"], sent["x-key"], sent["user-agent"]) == ("Bearer secret", "k", "me")
    assert (sent["accept-encoding"], sent["host"]) == ("identity", origin.address)
    await fetched(fetcher, f"http://ann:p%40ss@{origin.address}/x")
    assert origin.asked[1].headers["authorization"] == "Basic YW5uOnBAc3M="


async def test_headers_follow_a_redirect_inside_their_origin(origin: Origin, fetcher: UriFetcher) -> None:
    origin.answers |= {"/a": redirect("/b?x=1", 307), "/b": media(b"x")}
    assert await fetched(fetcher, origin.url("/a"), ("Authorization", "Bearer secret")) == b"x"
    assert origin.asked[1].path == "/b?x=1"
    assert origin.asked[1].headers["authorization"] == "Bearer secret"


async def test_headers_are_not_sent_to_another_origin_nor_back_by_a_detour(origin: Origin, fetcher: UriFetcher) -> None:
    async with running_origin() as other:
        origin.answers |= {"/a": redirect(other.url("/b")), "/c": media(b"x")}
        other.answers["/b"] = redirect(origin.url("/c").replace("//", "//eve:pw@"))
        secrets = (("Authorization", "Bearer secret"), ("Cookie", "s=1"), ("X-Key", "k"))
        assert await fetched(fetcher, origin.url("/a"), *secrets) == b"x"
        for asked in (other.asked[0], origin.asked[1]):
            assert not {"authorization", "cookie", "x-key"} & asked.headers.keys()


async def test_redirects_are_followed_so_far_and_no_farther(origin: Origin, fetcher: UriFetcher) -> None:
    origin.answers |= {f"/{n}": redirect(f"/{n + 1}") for n in range(MAX_REDIRECTS + 1)}
    with pytest.raises(MediaNotFound, match="redirects more than 5 times"):
        await fetched(fetcher, origin.url("/0"))
    assert len(origin.asked) == MAX_REDIRECTS + 1
    origin.answers[f"/{MAX_REDIRECTS}"] = media(b"x")
    assert await fetched(fetcher, origin.url("/0")) == b"x"


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://h/x", "gopher://h/x", "s3://b/k", "//", "http://a\\@b/", "http://127.1/", ""],
)
async def test_a_redirect_to_anything_but_an_http_address_is_not_followed(
    origin: Origin, fetcher: UriFetcher, location: str
) -> None:
    origin.answers["/a"] = redirect(location)
    with pytest.raises(MediaNotFound):
        await fetched(fetcher, origin.url("/a"))


@pytest.mark.parametrize("code", [204, 206, 300, 304, 400, 401, 403, 404, 405, 410, 451])
async def test_an_answer_without_the_media_is_final(origin: Origin, fetcher: UriFetcher, code: int) -> None:
    origin.answers["/x"] = raw(head(code))
    with pytest.raises(MediaNotFound, match=f"HTTP status {code}") as failure:
        await fetched(fetcher, origin.url("/x?signature=s3cret"))
    assert not failure.value.retryable
    assert "s3cret" not in failure.value.message


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
async def test_an_answer_that_may_change_is_passing(origin: Origin, fetcher: UriFetcher, code: int) -> None:
    origin.answers["/x"] = status(code, retry_after="7")
    with pytest.raises(FetchFailed) as failure:
        await fetched(fetcher, origin.url("/x"))
    assert failure.value.retryable
    assert failure.value.retry_after_s == 7


@pytest.mark.parametrize(
    "answer",
    [resetting(), raw(b""), raw(b"SSH-2.0-x\r\n"), raw(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n")],
    ids=["reset", "closed", "no HTTP", "length that is none"],
)
async def test_no_proper_answer_is_passing(origin: Origin, fetcher: UriFetcher, answer: object) -> None:
    origin.answers["/x"] = answer  # type: ignore[assignment]
    with pytest.raises(FetchFailed) as failure:
        await fetched(fetcher, origin.url("/x"))
    assert "SSH" not in failure.value.message


async def test_nobody_there_and_no_such_name_are_passing(fetcher: UriFetcher) -> None:
    async with running_origin() as gone:
        uri = gone.url("/x")
    for address in (uri, "http://nobody.invalid/x"):
        with pytest.raises(FetchFailed):
            await fetched(fetcher, address)


async def test_an_announced_size_over_the_limit_is_refused_before_a_byte_is_read(
    origin: Origin, fetcher: UriFetcher
) -> None:
    origin.answers["/x"] = stalling(head(200, content_length="10000000"))
    with pytest.raises(LimitExceeded, match="max_media_bytes, got 10000000"):
        await fetched(fetcher, origin.url("/x"), max_bytes=1000)


async def test_bytes_are_counted_where_no_size_is_announced(origin: Origin, fetcher: UriFetcher) -> None:
    origin.answers["/x"] = raw(head(200) + BODY)
    with pytest.raises(LimitExceeded, match="max_media_bytes"):
        await fetched(fetcher, origin.url("/x"), max_bytes=len(BODY) - 1)
    assert await fetched(fetcher, origin.url("/x"), max_bytes=len(BODY)) == BODY


async def test_bytes_beyond_the_announced_size_are_not_taken(origin: Origin, fetcher: UriFetcher) -> None:
    origin.answers["/x"] = raw(head(200, content_length="3") + BODY)
    assert await fetched(fetcher, origin.url("/x")) == BODY[:3]


async def test_compressed_media_is_unpacked_and_counted_unpacked(origin: Origin, fetcher: UriFetcher) -> None:
    origin.answers["/x"] = media(gzip.compress(BODY), content_encoding="gzip")
    assert await fetched(fetcher, origin.url("/x"), max_bytes=len(BODY)) == BODY
    bomb = gzip.compress(bytes(20 * MIB))
    assert len(bomb) < 100_000
    origin.answers["/x"] = media(bomb, content_encoding="gzip")
    with pytest.raises(LimitExceeded, match="max_media_bytes"):
        await fetched(fetcher, origin.url("/x"), max_bytes=MIB)


async def test_an_unknown_encoding_is_final(origin: Origin, fetcher: UriFetcher) -> None:
    origin.answers["/x"] = media(b"x", content_encoding="gzip, gzip")
    with pytest.raises(MediaNotFound, match="content encoding"):
        await fetched(fetcher, origin.url("/x"))


async def test_an_origin_that_says_nothing_is_given_up(origin: Origin) -> None:
    origin.answers |= {"/head": stalling(), "/body": stalling(head(200, content_length="9") + b"x")}
    async with fetching(stall_s=0.1) as impatient:
        for path in origin.answers:
            with pytest.raises(FetchFailed, match="fetch_stall_s"):
                await fetched(impatient, origin.url(path))


async def test_an_origin_that_drips_for_ever_is_given_up(origin: Origin) -> None:
    origin.answers["/x"] = dripping()
    async with fetching(timeout_s=0.3) as impatient:
        with pytest.raises(FetchFailed, match="fetch_timeout_s"):
            await fetched(impatient, origin.url("/x"))


async def test_an_endless_head_is_given_up(origin: Origin, fetcher: UriFetcher) -> None:
    origin.answers["/x"] = raw(b"HTTP/1.1 200 OK\r\n" + b"X-Fill: y\r\n" * 100_000)
    with pytest.raises(FetchFailed):
        await fetched(fetcher, origin.url("/x"))


async def test_a_proxy_of_the_environment_is_not_used(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_origin() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        origin.answers["/x"] = media(b"x")
        async with fetching() as fresh:
            assert await fetched(fresh, origin.url("/x")) == b"x"
        assert proxy.connections == 0


async def test_no_log_and_no_error_repeats_a_secret(
    origin: Origin, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    origin.answers |= {
        "/moved": redirect("/gone?signature=s3cret"),
        "/out": redirect("http://10.0.0.1/?signature=s3cret"),
        "/broken": raw(head(200, content_length="9") + b"x"),
    }
    async with fetching() as fetcher:
        for path in (*origin.answers, "/none"):
            uri = origin.url(f"{path}?signature=s3cret#s3cret").replace("//", "//ann:s3cret@")
            with pytest.raises(StenodError) as failure:
                await fetched(fetcher, uri, ("X-Token", "s3cret"))
            assert "s3cret" not in f"{failure.value.message} {failure.value.metadata}"
    assert "s3cret" not in caplog.text
    assert "s3cret" not in "".join(capsys.readouterr())
