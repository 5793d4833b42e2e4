"""What makes two submissions the same: the recording's content and the configuration, not how the bytes came in."""

import hashlib
import json
from dataclasses import asdict
from datetime import timedelta

from stenod_server.domain.job import JobConfig


def fingerprint(media_sha256: str, config: JobConfig) -> str:
    """SHA-256 of the media's hash and the canonical configuration (sorted JSON, defaults included)."""
    canonical = json.dumps(
        {"media": media_sha256, "config": asdict(config)}, sort_keys=True, separators=(",", ":"), default=_plain
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"{type(value).__name__} has no canonical form")
