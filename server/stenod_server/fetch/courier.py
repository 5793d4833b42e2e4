"""`WebCourier`: requests to receivers that callers name, through the same guard as what is fetched."""

import asyncio
from typing import Final

import httpx

from stenod_server.domain.notification import Notification
from stenod_server.domain.uri import shown
from stenod_server.errors import FetchFailed
from stenod_server.fetch import addresses, answers, request_headers, uri_rules, web_address
from stenod_server.fetch.faults import translated
from stenod_server.fetch.options import FetchOptions
from stenod_server.fetch.transport import GuardedTransport
from stenod_server.fetch.web import CONNECT_S, usual_authorities
from stenod_server.ports import Letter

_OWN: Final = frozenset({"content-type", "webhook-id", "webhook-signature", "webhook-timestamp"})


class WebCourier:
    """Implements `ports.Courier`. Of an answer only the status is read, and `Retry-After`."""

    def __init__(self, options: FetchOptions) -> None:
        self._transport = GuardedTransport(
            opened=addresses.networks(options.allow),
            resolve=options.resolve,
            tls=options.tls or usual_authorities(),
            field="notification",
        )

    def check(self, field: str, notification: Notification) -> None:
        url_field, headers_field = f"{field}.url", f"{field}.headers"
        uri_rules.check(notification.url, url_field)
        url = web_address.parse(notification.url, url_field)
        request_headers.check(notification.headers, headers_field, own=_OWN)
        request_headers.with_user(url, notification.headers, headers_field)
        self._transport.judge_literal(web_address.host_of(url), url_field)

    async def send(self, letter: Letter) -> None:
        try:
            async with asyncio.timeout(letter.timeout_s):
                response = await self._answer(letter, shown(letter.url))
        except TimeoutError as error:
            problem = f"did not take it within {letter.timeout_s:g} s (setting notification_timeout_s)"
            raise _failed(letter, problem) from error
        except FetchFailed as failure:
            failure.retry_after_s = 0.0  # it asked for nothing
            raise
        if not response.is_success:
            asked = response.headers.get("retry-after", "")
            raise _failed(letter, f"answered with HTTP status {response.status_code}", retry_after=asked)

    async def close(self) -> None:
        await self._transport.aclose()

    async def _answer(self, letter: Letter, address: str) -> httpx.Response:
        url = web_address.parse(letter.url, "notification")
        headers = request_headers.with_user(url, letter.headers)
        length = ("Content-Length", str(letter.body.size_bytes))
        request = httpx.Request(
            letter.method.upper(),
            url.copy_with(userinfo=b""),
            headers=request_headers.to_send((*headers, length)),
            content=letter.body.chunks(),
            extensions={"timeout": httpx.Timeout(letter.timeout_s, connect=CONNECT_S, pool=None).as_dict()},
        )
        with translated(address):
            response = await self._transport.handle_async_request(request)
            await response.aclose()
        return response


def _failed(letter: Letter, problem: str, *, retry_after: str = "") -> FetchFailed:
    failure = FetchFailed(f"{shown(letter.url)} {problem}")
    failure.retry_after_s = answers.retry_after_s(retry_after, default_s=0.0)
    return failure
