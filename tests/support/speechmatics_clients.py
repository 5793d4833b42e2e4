"""The clients that Speechmatics gives, as their packages have them. All of them lie in one package, and to import it
is to be warned that a part of it is old.
"""

import warnings
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from speechmatics import batch
    from speechmatics.batch import _models as batch_models  # not all of them are given to callers
    from speechmatics.batch_client import BatchClient  # type: ignore[import-untyped]
    from speechmatics.exceptions import JobNotFoundException, TranscriptionError  # type: ignore[import-untyped]
    from speechmatics.models import BatchTranscriptionConfig, ConnectionSettings  # type: ignore[import-untyped]

__all__ = [
    "BatchClient",
    "BatchTranscriptionConfig",
    "JobNotFoundException",
    "TranscriptionError",
    "async_client",
    "batch",
    "batch_models",
    "legacy_client",
    "sync_client",
]

KEY = "any"  # clients want one, also where the server asks for none


def async_client(url: str, key: str = KEY) -> Any:
    """To be used as an asynchronous context."""
    return batch.AsyncClient(api_key=key, url=f"{url}/v2")


def sync_client(url: str, key: str = KEY) -> Any:
    """To be used as a context, outside of the loop."""
    return batch.Client(api_key=key, url=f"{url}/v2")


def legacy_client(url: str, key: str = KEY) -> Any:
    """As `sync_client`."""
    return BatchClient(ConnectionSettings(url=f"{url}/v2", auth_token=key))
