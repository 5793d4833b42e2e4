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
        address = shown(letter.url)
        try:
            async with asyncio.timeout(letter.timeout_s):
                response = await self._answer(letter, address)
        except TimeoutError as error:
            message = f"{address} did not take it within {letter.timeout_s:g} s (setting notification_timeout_s)"
            raise FetchFailed(message) from error
        if response.is_success:
            return
        failure = FetchFailed(f"{address} answered with HTTP status {response.status_code}")
        if response.status_code in answers.PASSING:
            asked = response.headers.get("retry-after", "")
            failure.retry_after_s = answers.retry_after_s(asked, default_s=failure.retry_after_s)
        raise failure

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
