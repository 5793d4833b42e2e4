"""The access file (TOML): who may call, by API key or by client certificate.

[[keys]]
id = "k3v9x2ma"
tenant = "newsroom"
hash = "sha256:…"                  # of the whole key; `stenod keys create` writes such an entry
scopes = ["read", "submit"]
expires = 2031-01-01T00:00:00Z     # optional

[[certificates]]
name = "ingest.example.org"        # a subject alternative name, or the common name
tenant = "newsroom"
scopes = ["read", "submit"]
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from stenod_server.domain.access import Scope
from stenod_server.errors import InvalidField

SETTING: Final = "access_file"
MAX_NAME_CHARACTERS: Final = 128


def is_tenant(value: object) -> bool:
    """Whether this can name a tenant: in a log, a table, a file."""
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME_CHARACTERS and value.isprintable()


def _tenant(value: str) -> str:
    if not is_tenant(value):
        message = f"must be 1 to {MAX_NAME_CHARACTERS} printable characters"
        raise ValueError(message)
    return value


Tenant = Annotated[str, AfterValidator(_tenant)]
Scopes = Annotated[frozenset[Scope], Field(min_length=1)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class KeyEntry(_Entry):
    """An API key; `hash` is all that is known of its secret."""

    id: str = Field(pattern=r"^[a-z0-9-]{1,32}$")
    tenant: Tenant
    hash: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    scopes: Scopes
    expires: AwareDatetime | None = Field(None, strict=True)


class CertificateEntry(_Entry):
    """A client certificate, by one of its names."""

    name: str = Field(min_length=1)
    tenant: Tenant
    scopes: Scopes


class _File(_Entry):
    keys: tuple[KeyEntry, ...] = ()
    certificates: tuple[CertificateEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessTable:
    """The file's entries: keys by id, certificates by name."""

    keys: Mapping[str, KeyEntry]
    certificates: Mapping[str, CertificateEntry]


def read_access_file(path: Path) -> AccessTable:
    """Raises InvalidField, naming the entry and its field."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidField(SETTING, f"{path} cannot be read: {error}") from error
    try:
        return parse(text)
    except ValueError as error:
        raise InvalidField(SETTING, f"{path}: {error}") from error


def parse(text: str) -> AccessTable:
    """Raises ValueError, naming the entry and its field, and quoting nothing of the file."""
    document = tomllib.loads(text)
    try:
        found = _File.model_validate(document)
    except ValidationError as error:
        raise ValueError("; ".join(_problem(document, each) for each in error.errors())) from error
    _refuse_twins("keys", (key.id for key in found.keys))
    _refuse_twins("certificates", (certificate.name for certificate in found.certificates))
    return AccessTable(
        keys={key.id: key for key in found.keys},
        certificates={certificate.name: certificate for certificate in found.certificates},
    )


def _problem(document: Mapping[str, Any], error: Any) -> str:
    """`keys[1] (k3v9x2ma).scopes: …`: entries are counted from 1, as people do."""
    table, *rest = error["loc"]
    where = str(table)
    if rest and isinstance(rest[0], int):
        position = rest.pop(0)
        entry = document[table][position]
        name = entry.get("id") or entry.get("name") if isinstance(entry, dict) else None
        where += f"[{position + 1}]" + (f" ({name})" if name else "")
    field = "".join(f".{part}" for part in rest if not isinstance(part, int))
    return f"{where}{field}: {error['msg']}"


def _refuse_twins(table: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            message = f"{table}: {name!r} is there twice"
            raise ValueError(message)
        seen.add(name)
