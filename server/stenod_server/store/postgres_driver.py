"""Connections to PostgreSQL: how they are made, with what settings, and what may be said of them in an error."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from stenod_server.errors import InvalidField, StoreUnavailable

SCHEMES: Final = ("postgresql://", "postgres://")
CONNECT_TIMEOUT_S: Final = 3.0  # for each host of a URL
_HAS_PORT: Final = re.compile(r":[^\]]*$")
_NO_URL: Final = "is no postgresql://USER:PASSWORD@HOST:PORT/DB (percent-encode what is special in the password)"
_PASSWORDS: Final = ((re.compile(r"(://[^:@/\s]*):\S*@"), r"\1:***@"), (re.compile(r"(password=)[^&\s]*"), r"\1***"))

# What the server is asked for with every connection; what the URL says goes before. Times are in ms, keepalives in s.
_SESSION: Final[Mapping[str, str]] = {
    "application_name": "stenod",
    "synchronous_commit": "on",  # an accepted job survives a crash; with a synchronous standby, the loss of a machine
    # No statement_timeout: it would end the wait for a synchronous standby too, and call that a success.
    "client_connection_check_interval": "5000",  # what nobody waits for any more ends
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "15000",  # a node that is cut off in a transaction keeps no row for long
    "tcp_keepalives_idle": "10",  # and the server notices that it is gone
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "timezone": "UTC",
    "jit": "off",  # statements of a few rows each: to compile them takes longer than to run them
}


@dataclass(frozen=True, slots=True)
class Host:
    """One of a URL's. Empty: what libpq's environment says."""

    name: str = ""
    port: int | None = None

    @property
    def arguments(self) -> Mapping[str, object]:
        """What asyncpg takes of it."""
        return {key: value for key, value in (("host", self.name), ("port", self.port)) if value}

    def __str__(self) -> str:
        return f" on {self.name}" if self.name else ""


class PostgresUrl:
    """`postgresql://USER:PASSWORD@HOST[:PORT][,HOST…]/DB?…`, with libpq's parameters. Never printed with its password.

    Of its hosts the one is taken that can be written to, so that a standby that was promoted is found; each gets the
    same time to answer, and the one that did last is asked first. Raises InvalidField for another scheme, and where the
    driver is not installed.
    """

    def __init__(self, url: str) -> None:
        if not url.startswith(SCHEMES):
            raise InvalidField("database_url", "has to begin with postgresql://")
        load_driver()
        self._url = url
        self._hosts = hosts_of(url)

    def __str__(self) -> str:
        return without_password(self._url)

    __repr__ = __str__

    async def connect(self) -> Any:
        """A connection of asyncpg. Raises StoreUnavailable, InvalidField."""
        said = ""
        for host in tuple(self._hosts):
            try:
                connection = await self._connect(host)
            except StoreUnavailable as error:
                said = f"{said}; {error.message}" if said else error.message
                continue
            self._hosts.sort(key=lambda other: other != host)
            return connection
        raise StoreUnavailable(said)

    async def _connect(self, host: Host) -> Any:
        driver = load_driver()
        given = dict(parse_qsl(urlsplit(self._url).query))
        session = {name: value for name, value in _SESSION.items() if name not in given}
        attributes = given.get("target_session_attrs", "read-write")
        try:
            # asyncpg's own time-out is for all hosts together: one that says nothing would use it up.
            return await driver.connect(
                self._url,
                **host.arguments,
                timeout=CONNECT_TIMEOUT_S,
                server_settings=session,
                target_session_attrs=attributes,
            )
        except ValueError:  # says parts of the URL, the password perhaps
            raise InvalidField("database_url", _NO_URL) from None
        except (driver.PostgresError, driver.InterfaceError, driver.InternalClientError, OSError) as error:
            said = without_password(str(error)) or type(error).__name__
            message = f"PostgreSQL{host} cannot be reached: {said}"
            raise StoreUnavailable(message) from None


def hosts_of(url: str) -> list[Host]:
    """One for each that the URL names; one that says nothing where it leaves that to libpq's environment. Raises
    InvalidField.
    """
    try:
        parts = urlsplit(url)
        given = dict(parse_qsl(parts.query))
    except ValueError:
        raise InvalidField("database_url", _NO_URL) from None
    named = parts.netloc.rpartition("@")[2] or given.get("host", "")
    ports = given.get("port", "").split(",")
    hosts = []
    for place, name in enumerate(named.split(",")):
        host, colon, port = name.rpartition(":") if _HAS_PORT.search(name) else (name, "", "")
        port = port if colon else ports[min(place, len(ports) - 1)]
        if port and not port.isdecimal():
            raise InvalidField("database_url", _NO_URL)
        hosts.append(Host(unquote(host.strip("[]")), int(port) if port else None))
    return hosts


def without_password(text: str) -> str:
    """A URL, or what was said about one."""
    for pattern, plain in _PASSWORDS:
        text = pattern.sub(plain, text)
    return text


def load_driver() -> Any:
    """asyncpg, which is an extra. Raises InvalidField where it is not installed."""
    try:
        import asyncpg  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        raise InvalidField("database_url", "PostgreSQL needs asyncpg: pip install 'stenod[postgres]'") from None
    return asyncpg
