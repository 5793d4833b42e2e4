"""Who makes the request that is being answered."""

from typing import Final

from starlette.requests import HTTPConnection

from stenod_server.domain.access import Credentials, Principal
from stenod_server.errors import Unauthenticated

_KEY: Final = "stenod.principal"


def set_caller(connection: HTTPConnection, principal: Principal) -> None:
    connection.scope[_KEY] = principal


def caller(connection: HTTPConnection) -> Principal:
    """Raises Unauthenticated outside a call that was admitted: nobody is let in by forgetting to ask."""
    principal = connection.scope.get(_KEY)
    if not isinstance(principal, Principal):
        raise Unauthenticated("nobody knows the caller")
    return principal


def credentials_of(connection: HTTPConnection) -> Credentials:
    """What the caller shows. Two `authorization` headers are as good as none: which one a proxy checked is unsaid."""
    given = connection.headers.getlist("authorization")
    scheme, _, bearer = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    return Credentials(bearer=bearer.strip() if scheme.lower() == "bearer" else "")
