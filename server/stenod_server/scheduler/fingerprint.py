"""What makes two submissions the same: the recording's content, or where it is to be fetched from, and the
configuration; not how the bytes came in.
"""

import hashlib
import json
from dataclasses import asdict
from datetime import timedelta

from stenod_server.domain.job import JobConfig, Media


def fingerprint(media: Media, config: JobConfig) -> str:
    """SHA-256 of the media's hash or address and the canonical configuration (sorted JSON, defaults included)."""
    origin = media.remote.uri if media.remote else media.sha256
    plain = asdict(config)
    del plain["origin"]["traceparent"]  # another one each time
    canonical = json.dumps({"media": origin, "config": plain}, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"{type(value).__name__} has no canonical form")
