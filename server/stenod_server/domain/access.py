"""Who calls, and what they may do."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DEFAULT_TENANT: Final = "default"


class Scope(StrEnum):
    """What a principal may do inside its tenant."""

    READ = "read"  # see jobs, transcripts, capacity, models
    SUBMIT = "submit"  # upload media; submit, cancel and delete jobs
    ADMIN = "admin"  # both, and see the whole node's capacity


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. `subject` names it in the audit log: `key:<id>`, `certificate:<name>`, `token:<sub>`."""

    tenant: str
    subject: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes


# Where authentication is off, everybody is this one.
ANYBODY: Final = Principal(DEFAULT_TENANT, "anybody", frozenset({Scope.ADMIN}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a caller shows. `bearer` is an API key or a JWT; `certificate_names` are those of a client certificate that
    TLS has verified (subject alternative names first, then the common name).
    """

    bearer: str = ""
    certificate_names: tuple[str, ...] = ()
