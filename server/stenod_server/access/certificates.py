"""Client certificates: TLS has verified them, the access file says whose they are."""

from stenod_server.access.access_file import AccessTable
from stenod_server.access.refusal import refused
from stenod_server.domain.access import Principal


def certificate_holder(table: AccessTable, names: tuple[str, ...]) -> Principal:
    """Who the certificate is for: the first of its names that is known counts. Raises Unauthenticated."""
    for name in names:
        if entry := table.certificates.get(name):
            return Principal(entry.tenant, f"certificate:{entry.name}", entry.scopes)
    raise refused("unknown certificate", names=names)
