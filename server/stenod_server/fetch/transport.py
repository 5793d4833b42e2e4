"""The one place that connects: to addresses that were judged, and to nothing else."""

import logging
import ssl
from collections.abc import Sequence
from ipaddress import ip_address

import httpx
import structlog

from stenod_server.errors import FetchFailed, FetchRefused
from stenod_server.fetch import addresses
from stenod_server.fetch.addresses import IpAddress, IpNetwork
from stenod_server.fetch.resolver import Resolve
from stenod_server.fetch.web_address import host_of, port_of

_log = structlog.get_logger()
logging.getLogger("httpcore").setLevel(
    logging.WARNING
)  # below, it writes down where redirects lead, signatures and all


class GuardedTransport(httpx.AsyncHTTPTransport):
    """Resolves a name once, judges every address it has, and dials one of them by its number.

    So there is no second look-up that could be answered differently (DNS rebinding). TLS still proves the name.
    Proxies are not used, and no connection serves twice: one that was made for a name is never lent to another.
    `field` is what a refusal blames.
    """

    def __init__(
        self, *, opened: Sequence[IpNetwork], resolve: Resolve, tls: ssl.SSLContext, field: str = "media.uri"
    ) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        super().__init__(verify=tls, trust_env=False, limits=limits)
        self._opened = opened
        self._resolve = resolve
        self._field = field

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises FetchRefused, FetchFailed, httpx.TransportError."""
        failure: httpx.TransportError | None = None
        for address in await self._judged(request.url):
            try:
                return await super().handle_async_request(_pinned(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure or FetchFailed(f"{host_of(request.url)} has no address")

    def judge(self, host: str, address: IpAddress, field: str = "") -> None:
        """Raises FetchRefused, which does not tell the address behind a name: it may be an internal one."""
        if kind := addresses.refusal(address, self._opened):
            _log.warning("refuse fetch", host=host, address=str(address), kind=kind)
            said = "is" if addresses.literal(host) else "leads to"
            raise FetchRefused(field or self._field, f"{host} {said} {kind}", setting="fetch_allow")

    def judge_literal(self, host: str, field: str = "") -> None:
        """What can be judged without a look-up. Raises FetchRefused."""
        if (address := addresses.literal(host)) is not None:
            self.judge(host, address, field)

    async def _judged(self, url: httpx.URL) -> Sequence[IpAddress]:
        host = host_of(url)
        if (given := addresses.literal(host)) is not None:
            found: Sequence[IpAddress] = [given]
        else:
            found = await self._look_up(host, port_of(url))
        for address in found:
            self.judge(host, address)
        return found

    async def _look_up(self, host: str, port: int) -> Sequence[IpAddress]:
        try:
            texts = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise FetchFailed(f"the name {host} cannot be resolved") from error
        return list(dict.fromkeys(ip_address(text) for text in texts))


def _pinned(request: httpx.Request, address: IpAddress) -> httpx.Request:
    """The same request to a number; `Host` and the name that TLS must prove stay what they were."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host_of(request.url)},
    )
