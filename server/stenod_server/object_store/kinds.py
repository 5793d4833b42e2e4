"""The kinds of object stores: s3://, gs:// and az://.

Credentials and endpoints are those of the environment, read by the library under the names that the clouds' own SDKs
give them (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_NAME` …),
or asked of the machine's role.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store

if TYPE_CHECKING:  # at run time obstore has no such names
    from obstore.store import ClientConfig, RetryConfig

_KINDS: Final[Mapping[str, type[AzureStore | GCSStore | S3Store]]] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
SCHEMES: Final = tuple(_KINDS)


def open_object_store(
    scheme: str, bucket: str, *, prefix: str = "", client: "ClientConfig", retries: "RetryConfig"
) -> ObjectStore:
    """What stands below `prefix` in a bucket, without touching the network. `client` says how long it may take.

    Raises what obstore raises where the environment is not enough, and KeyError for a scheme that is none of `SCHEMES`.
    """
    # The endpoint is the operator's, and may be plain; the public ones have TLS anyway.
    options: ClientConfig = {"allow_http": True, **client}
    return _KINDS[scheme](bucket, prefix=prefix or None, client_options=options, retry_config=retries)
