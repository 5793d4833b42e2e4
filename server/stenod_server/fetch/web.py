"""Media at http:// and https:// addresses."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Final

import httpx

from stenod_server.domain.job import RemoteMedia
from stenod_server.domain.uri import shown
from stenod_server.errors import InvalidField, LimitExceeded, MediaNotFound
from stenod_server.fetch import addresses, answers, encoding, request_headers, uri_rules, web_address
from stenod_server.fetch.body import AskAgain, ResumableBody
from stenod_server.fetch.faults import translated
from stenod_server.fetch.file_name import file_name
from stenod_server.fetch.options import FetchOptions
from stenod_server.fetch.request_headers import Headers
from stenod_server.fetch.transport import GuardedTransport
from stenod_server.ports import FetchedMedia

MAX_REDIRECTS: Final = 5
CONNECT_S: Final = 10.0  # for each address of a name


@dataclass(frozen=True, slots=True)
class _Found:
    """An answer with the media, the address that gave it, and the headers that were sent there."""

    response: httpx.Response
    url: httpx.URL
    headers: Headers


class WebSource:
    """Implements `source.Source`. Redirects are followed one by one, each judged like a new address."""

    def __init__(self, options: FetchOptions) -> None:
        self._transport = GuardedTransport(
            opened=addresses.networks(options.allow), resolve=options.resolve, tls=options.tls or usual_authorities()
        )
        self._timeouts = httpx.Timeout(options.stall_s, connect=min(CONNECT_S, options.stall_s), pool=None).as_dict()
        self._resume_pause_s = options.resume_pause_s

    def check(self, remote: RemoteMedia) -> None:
        url = web_address.parse(remote.uri)
        request_headers.check(remote.headers)
        request_headers.with_user(url, remote.headers)
        self._transport.judge_literal(web_address.host_of(url))

    @asynccontextmanager
    async def open(self, remote: RemoteMedia) -> AsyncIterator[FetchedMedia]:
        found = await self._follow(remote)
        body = ResumableBody(
            found.response, self._ask_again(found), address=shown(str(found.url)), pause_s=self._resume_pause_s
        )
        try:
            yield _media(found, body)
        finally:
            await body.close()

    async def close(self) -> None:
        await self._transport.aclose()

    async def _follow(self, remote: RemoteMedia) -> _Found:
        url = web_address.parse(remote.uri)
        headers = request_headers.with_user(url, remote.headers)
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._get(url, headers)
            if response.status_code == HTTPStatus.OK:
                return _Found(response, url, headers)
            await response.aclose()
            target = _target(url, response)
            if not web_address.is_same_origin(url, target):
                headers = ()  # given for that origin alone, and not given back by a detour
            url = target
        raise MediaNotFound(f"{shown(remote.uri)} redirects more than {MAX_REDIRECTS} times")

    def _ask_again(self, found: _Found) -> AskAgain:
        async def ask_again(offset_bytes: int, validator: str) -> httpx.Response:
            asked = (("Range", f"bytes={offset_bytes}-"), ("If-Range", validator))
            return await self._get(found.url, (*found.headers, *asked))

        return ask_again

    async def _get(self, url: httpx.URL, headers: Headers) -> httpx.Response:
        """The transport itself is asked: a client would add cookies, proxies and logs with whole addresses."""
        request = httpx.Request(
            "GET", url, headers=request_headers.to_send(headers), extensions={"timeout": self._timeouts}
        )
        with translated(shown(str(url))):
            return await self._transport.handle_async_request(request)


def _target(url: httpx.URL, response: httpx.Response) -> httpx.URL:
    """Where the answer sends us. Raises FetchFailed or MediaNotFound where it is no redirect, or one not to follow."""
    here = shown(str(url))
    if response.status_code not in answers.REDIRECTS:
        raise answers.refusal(response, here)
    location = response.headers.get("location", "")
    try:
        uri_rules.check(location)
        target = web_address.parse(str(url.join(location))).copy_with(userinfo=b"")
    except (InvalidField, LimitExceeded, httpx.InvalidURL) as error:
        raise MediaNotFound(f"{here} redirects to what is no http(s) address") from error
    if url.scheme == "https" and target.scheme != "https":
        raise MediaNotFound(f"{here} redirects from https to http, which is not followed")
    return target


def _media(found: _Found, body: ResumableBody) -> FetchedMedia:
    headers = found.response.headers
    content_encoding = headers.get("content-encoding", "")
    decode = encoding.decoder(content_encoding, shown(str(found.url)))
    return FetchedMedia(
        decode(body.chunks()),
        size_bytes=0 if content_encoding else answers.length_bytes(headers),
        file_name=file_name(headers.get("content-disposition", ""), found.url.path),
    )


@cache
def usual_authorities() -> ssl.SSLContext:
    """Those that come with httpx, and those that this system trusts (a company's own among them)."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context
