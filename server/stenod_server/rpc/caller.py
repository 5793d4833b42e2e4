"""Who makes the call that is being answered: set by the interceptor, read by the servicer."""

from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote

import grpc

from stenod_server.domain.access import Credentials, Principal

_caller: ContextVar[Principal] = ContextVar("caller")


def set_caller(principal: Principal) -> None:
    _caller.set(principal)


def caller() -> Principal:
    """LookupError outside a call that was admitted: nobody is let in by forgetting to ask."""
    return _caller.get()


def credentials_of(context: grpc.aio.ServicerContext[Any, Any]) -> Credentials:
    """What the caller shows. Two `authorization` values are as good as none: which one a proxy checked is unsaid."""
    given = [str(value) for key, value in context.invocation_metadata() or () if key == "authorization"]
    scheme, _, bearer = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    shown = context.auth_context()
    names = [*shown.get("x509_subject_alternative_name", ()), *shown.get("x509_common_name", ())]
    return Credentials(
        bearer=bearer.strip() if scheme.lower() == "bearer" else "",
        certificate_names=tuple(name.decode("utf-8", "replace") for name in names if name),
    )


def address_of(peer: str) -> str:
    """The address in gRPC's name for the other end: `ipv4:192.0.2.1:4711`, `ipv6:%5B2001:db8::1%5D:4711`."""
    kind, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]") if kind in {"ipv4", "ipv6"} else peer
