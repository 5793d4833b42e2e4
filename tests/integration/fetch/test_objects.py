"""s3:// and presigned addresses from a real S3 server; gs:// and az:// from an origin that answers as they do."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from stenod_server.domain.job import RemoteMedia
from stenod_server.errors import FetchFailed, FetchRefused, LimitExceeded, MediaNotFound
from stenod_server.fetch.fetcher import UriFetcher
from tests.support.eventually import eventually_so
from tests.support.fetching import MIB, fetched, fetching
from tests.support.origin import Answer, Origin, breaking, head, media, running_origin, stalling, status
from tests.support.seaweed import S3Server, running_s3
from tests.support.tcp_proxy import TcpProxy

BODY = bytes(range(256)) * 12_000
CHANGED = {"last_modified": "Wed, 01 Jan 2020 00:00:00 GMT", "etag": '"v1"'}
KEYS = ("calls/a b%20ü.wav", "calls-2/x.wav", "calls")


@pytest.fixture(scope="module")
async def s3(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[S3Server]:
    async with running_s3(tmp_path_factory.mktemp("seaweed")) as server:
        await server.make_bucket("media")
        with pytest.MonkeyPatch.context() as environment:
            _set(environment, server)
            for key in KEYS:
                await obstore.put_async(S3Store("media", client_options={"allow_http": True}), key, BODY)
        yield server


def _set(environment: pytest.MonkeyPatch, server: S3Server) -> None:
    for name, value in server.environment.items():
        environment.setenv(name, value)


@pytest.fixture
async def reader(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[UriFetcher]:
    _set(monkeypatch, s3)
    async with fetching(buckets=("s3://media/calls", "s3://absent")) as opened:
        yield opened


async def test_an_object_of_an_open_bucket_is_read(reader: UriFetcher) -> None:
    remote = RemoteMedia(uri="s3://media/calls/a b%20ü.wav")
    async with reader.open(remote, max_bytes=10 * MIB) as found:
        assert (found.size_bytes, found.file_name) == (len(BODY), "a b ü.wav")
        assert b"".join([chunk async for chunk in found.chunks]) == BODY


@pytest.mark.parametrize("uri", ["s3://media/calls-2/x.wav", "s3://media/calls"])
async def test_an_object_beside_the_open_prefix_is_refused_although_it_is_there(reader: UriFetcher, uri: str) -> None:
    with pytest.raises(FetchRefused, match="fetch_buckets"):
        await fetched(reader, uri, max_bytes=10 * MIB)
    async with fetching(buckets=("s3://media",)) as wide:
        assert await fetched(wide, uri, max_bytes=10 * MIB) == BODY


async def test_an_object_too_large_is_refused_before_it_is_read(reader: UriFetcher) -> None:
    with pytest.raises(LimitExceeded, match="max_media_bytes, got"):
        await fetched(reader, "s3://media/calls/a b%20ü.wav", max_bytes=len(BODY) - 1)


@pytest.mark.parametrize("uri", ["s3://media/calls/none.wav", "s3://absent/x.wav"])
async def test_what_is_not_there_is_final(reader: UriFetcher, uri: str) -> None:
    with pytest.raises(MediaNotFound, match=rf"{uri} does not exist$"):
        await fetched(reader, uri)


async def test_wrong_credentials_are_final(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, s3)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    async with fetching(buckets=("s3://media",)) as stranger:
        with pytest.raises(MediaNotFound, match=r"credentials$"):
            await fetched(stranger, "s3://media/calls/a b%20ü.wav")


def _owned(s3: S3Server, endpoint: str = "") -> S3Store:
    return S3Store(
        "media",
        endpoint=endpoint or s3.url,
        access_key_id=s3.access_key,
        secret_access_key=s3.secret_key,
        region="us-east-1",
        client_options={"allow_http": True},
    )


def _presigned(s3: S3Server, key: str, *, seconds: int = 60, endpoint: str = "") -> str:
    """As whoever owns a bucket gives an object away for some time."""
    return obstore.sign(_owned(s3, endpoint), "GET", key, timedelta(seconds=seconds))


async def test_a_presigned_address_is_read_without_credentials_of_our_own(s3: S3Server) -> None:
    async with fetching() as stranger:
        for key in KEYS:
            assert await fetched(stranger, _presigned(s3, key), max_bytes=10 * MIB) == BODY
        opened = stranger.open(RemoteMedia(uri=_presigned(s3, KEYS[0])), max_bytes=10 * MIB)
        async with opened as found:
            assert (found.size_bytes, found.file_name) == (len(BODY), "a b ü.wav")


async def test_a_presigned_address_of_another_network_is_refused(s3: S3Server) -> None:
    async with fetching(allow=()) as guarded:
        with pytest.raises(FetchRefused, match="fetch_allow"):
            await fetched(guarded, _presigned(s3, KEYS[0]))


async def test_a_signature_that_is_forged_is_final_and_not_told(s3: S3Server) -> None:
    uri = _presigned(s3, KEYS[0], seconds=1).replace("X-Amz-Expires=1&", "X-Amz-Expires=9999&")
    async with fetching() as stranger:
        with pytest.raises(MediaNotFound) as caught:
            await fetched(stranger, uri)
    assert "Signature" not in caught.value.message
    assert s3.access_key not in caught.value.message


async def test_a_signature_that_has_expired_is_final(s3: S3Server) -> None:
    uri = _presigned(s3, KEYS[0], seconds=1)
    async with fetching() as stranger:

        async def is_refused() -> bool:
            try:
                await fetched(stranger, uri, max_bytes=10 * MIB)
            except MediaNotFound:
                return True
            return False

        await eventually_so(is_refused)


async def test_a_presigned_transfer_that_breaks_is_gone_on_with(s3: S3Server) -> None:
    body = BODY * 11
    async with TcpProxy(s3.url.removeprefix("http://")) as proxy:
        uri = _presigned(s3, "large.wav", endpoint=f"http://{proxy.url}")
        await obstore.put_async(_owned(s3), "large.wav", body)
        async with fetching() as stranger, stranger.open(RemoteMedia(uri=uri), max_bytes=100 * MIB) as found:
            received = [await anext(found.chunks)]
            await proxy.cut()
            assert len(received[0]) < len(body)
            received += [chunk async for chunk in found.chunks]
        assert proxy.accepted == 2
    assert b"".join(received) == body


@pytest.mark.parametrize(
    "answer",
    [
        status(500),
        stalling(),
        stalling(head(200, content_length="1000", **CHANGED) + b"x"),
        breaking(bytes(1000), *range(1, 100), **CHANGED),
        None,
    ],
    ids=["fails", "says nothing", "stops", "breaks off", "is away"],
)
async def test_a_server_in_trouble_is_passing(monkeypatch: pytest.MonkeyPatch, answer: Answer | None) -> None:
    async with running_origin() as origin:
        _set(monkeypatch, S3Server(origin.url(""), filer_url=""))
        if answer is not None:
            origin.answers["/media/x.wav"] = answer
            await _expect_failure(stall_s=0.2)
            assert origin.asked
    if answer is None:
        await _expect_failure(stall_s=10)


async def _expect_failure(*, stall_s: float) -> None:
    async with fetching(buckets=("s3://media",), stall_s=stall_s) as reader:
        with pytest.raises(FetchFailed, match=r"s3://media/x\.wav cannot be read$"):
            await fetched(reader, "s3://media/x.wav")


async def test_azure_and_google_are_asked_in_their_ways(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", origin.url(""))
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(tmp_path / "account.json"))
    account = {"gcs_base_url": origin.url(""), "disable_oauth": True}
    (tmp_path / "account.json").write_text(
        json.dumps(account | {"client_email": "", "private_key": "", "private_key_id": ""})
    )
    origin.answers["/box/calls/a.wav"] = origin.answers["/box/calls%2Fa%2Ewav"] = media(BODY, **CHANGED)
    async with fetching(buckets=("az://box/calls", "gs://box/calls")) as reader:
        for scheme in ("az", "gs"):
            assert await fetched(reader, f"{scheme}://box/calls/a.wav", max_bytes=10 * MIB) == BODY
    assert origin.asked[0].headers["authorization"].startswith("SharedKey account:")


@pytest.mark.parametrize("scheme", ["gs", "az"])
async def test_a_store_without_credentials_fails_alone(
    scheme: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    async with fetching(buckets=(f"{scheme}://media",)) as reader:
        reader.check(RemoteMedia(uri=f"{scheme}://media/x.wav"))
        with pytest.raises(FetchFailed):
            await fetched(reader, f"{scheme}://media/x.wav")
