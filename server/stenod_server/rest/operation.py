"""What a route is to the door: its name, the scope it needs, and whose words its errors are said in.

A route without one is refused to everybody.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from starlette.responses import Response

from stenod_server.domain.access import Scope
from stenod_server.errors import StenodError

_ATTRIBUTE: Final = "stenod_operation"
_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])


class Dialect(Protocol):
    """How one system says that something went wrong."""

    def refusal(self, error: StenodError) -> Response:
        """The whole answer to a request that failed."""
        ...


@dataclass(frozen=True, slots=True)
class Operation:
    """`scope` None: open to everybody. `changes`: recorded in the audit log however it ends."""

    name: str
    dialect: Dialect
    scope: Scope | None
    changes: bool = False


def operation(
    name: str, dialect: Dialect, scope: Scope | None, *, changes: bool = False
) -> Callable[[_Endpoint], _Endpoint]:
    """Say of an endpoint what it is. To be applied below the route's own decorator."""

    def mark(endpoint: _Endpoint) -> _Endpoint:
        setattr(endpoint, _ATTRIBUTE, Operation(name, dialect, scope, changes))
        return endpoint

    return mark


def operation_of(endpoint: object) -> Operation | None:
    return getattr(endpoint, _ATTRIBUTE, None)
