"""What a fetcher is told, once."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from stenod_server.fetch.resolver import Resolve, resolve_by_system


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchOptions:
    """The settings `fetch_…`, and what tests replace.

    `allow` are networks (CIDR) that may be connected to although they are not public. `file_roots` are directories
    that `file://` may read below, `buckets` prefixes (`s3://bucket/path`) of objects that may be read.
    """

    allow: tuple[str, ...] = ()
    file_roots: tuple[Path, ...] = ()
    buckets: tuple[str, ...] = ()
    timeout_s: float = 900.0
    stall_s: float = 30.0
    resume_pause_s: float = 1.0
    resolve: Resolve = resolve_by_system
    tls: ssl.SSLContext | None = None  # None: the usual authorities, and those of this system
