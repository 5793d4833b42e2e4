"""Connections to PostgreSQL: how they are made, with what settings, and what may be said of them in an error."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from stenod_server.errors import InvalidField, StoreUnavailable

SCHEMES: Final = ("postgresql://", "postgres://")
CONNECT_TIMEOUT_S: Final = 5.0  # for each host of a URL
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


@dataclass(frozen=True, slots=True, repr=False)
class PostgresUrl:
    """`postgresql://USER:PASSWORD@HOST[:PORT][,HOST…]/DB?…`, with libpq's parameters. Never printed with its password.

    Of its hosts the one is taken that can be written to, so that a standby that was promoted is found. Raises
    InvalidField for another scheme, and where the driver is not installed.
    """

    url: str

    def __post_init__(self) -> None:
        if not self.url.startswith(SCHEMES):
            raise InvalidField("database_url", "has to begin with postgresql://")
        load_driver()

    def __str__(self) -> str:
        return without_password(self.url)

    __repr__ = __str__

    async def connect(self) -> Any:
        """A connection of asyncpg. Raises StoreUnavailable, InvalidField."""
        driver = load_driver()
        given = dict(parse_qsl(urlsplit(self.url).query))
        session = {name: value for name, value in _SESSION.items() if name not in given}
        attributes = given.get("target_session_attrs", "read-write")
        try:
            return await driver.connect(
                self.url, timeout=CONNECT_TIMEOUT_S, server_settings=session, target_session_attrs=attributes
            )
        except ValueError:  # says parts of the URL, the password perhaps
            problem = "is no postgresql://USER:PASSWORD@HOST:PORT/DB (percent-encode what is special in the password)"
            raise InvalidField("database_url", problem) from None
        except (driver.PostgresError, driver.InterfaceError, driver.InternalClientError, OSError) as error:
            said = without_password(str(error)) or type(error).__name__
            message = f"PostgreSQL cannot be reached: {said}"
            raise StoreUnavailable(message) from None


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
