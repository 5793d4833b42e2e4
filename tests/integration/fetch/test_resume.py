"""A transfer that breaks off goes on where it was, if the origin can tell that the media is still the same."""

import gzip

import pytest

from stenod_server.errors import FetchFailed
from stenod_server.fetch.body import MAX_RESUMES
from stenod_server.fetch.fetcher import UriFetcher
from tests.support.fetching import fetched, fetching
from tests.support.origin import ETAG, Answer, Asked, Origin, breaking, head, raw, redirect, stalling, status

BODY = bytes(range(256)) * 1000
OLD = {"last_modified": "Wed, 01 Jan 2020 00:00:00 GMT", "date": "Wed, 01 Jan 2025 00:00:00 GMT"}


def in_turn(*answers: Answer) -> Answer:
    """One answer after the other."""
    left = list(answers)

    async def answer(asked: Asked, writer: object) -> None:
        await left.pop(0)(asked, writer)  # type: ignore[arg-type]

    return answer


async def test_a_broken_transfer_goes_on_where_it_was(origin: Origin, fetcher: UriFetcher) -> None:
    origin.answers |= {"/moved": redirect("/x"), "/x": breaking(BODY, 100_000, 200_000)}
    assert await fetched(fetcher, origin.url("/moved"), ("Authorization", "Bearer secret")) == BODY
    resumed = origin.asked[2:]
    assert [asked.path for asked in resumed] == ["/x", "/x"]
    assert [asked.headers["range"] for asked in resumed] == ["bytes=100000-", "bytes=200000-"]
    assert {asked.headers["if-range"] for asked in resumed} == {ETAG}
    assert {asked.headers["authorization"] for asked in resumed} == {"Bearer secret"}


async def test_a_date_of_change_will_do_if_it_is_old_enough(origin: Origin, fetcher: UriFetcher) -> None:
    origin.answers["/x"] = breaking(BODY, 1000, etag="", **OLD)
    assert await fetched(fetcher, origin.url("/x")) == BODY
    assert origin.asked[1].headers["if-range"] == OLD["last_modified"]


async def test_a_compressed_transfer_goes_on_too(origin: Origin, fetcher: UriFetcher) -> None:
    packed = gzip.compress(BODY)
    origin.answers["/x"] = breaking(packed, len(packed) // 2, content_encoding="gzip")
    assert await fetched(fetcher, origin.url("/x")) == BODY


async def test_a_silent_transfer_goes_on_too(origin: Origin) -> None:
    first = stalling(head(200, content_length=str(len(BODY)), etag=ETAG) + BODY[:1000])
    origin.answers["/x"] = in_turn(first, breaking(BODY))
    async with fetching(stall_s=0.2) as impatient:
        assert await fetched(impatient, origin.url("/x")) == BODY


async def test_an_origin_that_is_away_for_a_moment_is_asked_again(origin: Origin, fetcher: UriFetcher) -> None:
    origin.answers["/x"] = in_turn(breaking(BODY, 1000), raw(b""), status(503), breaking(BODY))
    assert await fetched(fetcher, origin.url("/x")) == BODY
    assert [asked.offset_bytes for asked in origin.asked] == [0, 1000, 1000, 1000]


async def test_resuming_has_an_end(origin: Origin, fetcher: UriFetcher) -> None:
    origin.answers["/x"] = breaking(BODY, *range(1, 100))
    with pytest.raises(FetchFailed):
        await fetched(fetcher, origin.url("/x"))
    assert len(origin.asked) == 1 + MAX_RESUMES


@pytest.mark.parametrize("etag", ["", 'W/"v1"'], ids=["no validator", "a weak one"])
async def test_what_may_have_changed_is_not_resumed(origin: Origin, fetcher: UriFetcher, etag: str) -> None:
    origin.answers["/x"] = breaking(BODY, 1000, etag=etag)
    with pytest.raises(FetchFailed):
        await fetched(fetcher, origin.url("/x"))
    assert len(origin.asked) == 1


PART = {"content_length": str(len(BODY) - 1000), "etag": ETAG}


@pytest.mark.parametrize(
    "again",
    [
        breaking(BODY, etag='"v2"'),
        raw(head(206, content_range=f"bytes 999-{len(BODY) - 1}/{len(BODY)}", **PART) + BODY[1000:]),
        raw(head(206, content_range=f"bytes 1000-{len(BODY) - 1}/{len(BODY) + 1}", **PART) + BODY[1000:]),
        raw(head(206, **PART) + BODY[1000:]),
        status(416),
        redirect("/y"),
    ],
    ids=["changed", "another offset", "another size", "no range said", "out of range", "moved"],
)
async def test_other_bytes_are_never_joined_to_the_first(origin: Origin, fetcher: UriFetcher, again: Answer) -> None:
    origin.answers["/x"] = in_turn(breaking(BODY, 1000), again)
    with pytest.raises(FetchFailed, match="cannot be resumed"):
        await fetched(fetcher, origin.url("/x"))
    assert len(origin.asked) == 2


async def test_a_part_of_the_rest_is_followed_by_the_next(origin: Origin, fetcher: UriFetcher) -> None:
    part = head(206, content_range=f"bytes 1000-1999/{len(BODY)}", content_length="1000", etag=ETAG) + BODY[1000:2000]
    origin.answers["/x"] = in_turn(breaking(BODY, 1000), raw(part), breaking(BODY))
    assert await fetched(fetcher, origin.url("/x")) == BODY


async def test_a_chunked_body_that_breaks_off_is_not_taken_for_whole(origin: Origin, fetcher: UriFetcher) -> None:
    origin.answers["/x"] = raw(head(200, transfer_encoding="chunked") + b"5\r\nabcde\r\n")
    with pytest.raises(FetchFailed):
        await fetched(fetcher, origin.url("/x"))
