"""Whom the caller of a job may name to be told of its end."""

from stenod_server.domain.notification import Content, Notification
from stenod_server.errors import InvalidField
from stenod_server.ports import Courier, ResultBuckets


class NamedReceivers:
    """Implements `notifier.Receivers`: addresses of the web, and places in buckets."""

    def __init__(self, courier: Courier, results: ResultBuckets) -> None:
        self._courier = courier
        self._results = results

    def check(self, field: str, notification: Notification, tenant: str) -> None:
        if not notification.is_output:
            self._courier.check(field, notification)
            return
        if notification.headers:
            raise InvalidField(f"{field}.headers", "go with http(s) addresses only")
        if Content.DATA in notification.contents:
            raise InvalidField(f"{field}.contents", "the recording is not written to buckets")
        # What ends in a slash is completed with a name that nobody chooses.
        url = f"{notification.url}job" if notification.url.endswith("/") else notification.url
        self._results.check(f"{field}.url", url, tenant)
