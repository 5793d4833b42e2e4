"""When to try again: after UNAVAILABLE alone (AIP-194), ever more slowly, with jitter, and not for ever.

A server that is full is asked again only by those who chose to wait.
"""

import asyncio
import random
import time
from dataclasses import dataclass

from stenod.errors import Busy, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How patient a client is.

    A call that has reached nobody yet is tried `attempts` times. What is under way (an upload, a watch) survives an
    outage of `outage_s` seconds, so that a server can restart under it. Before each new try the client waits a random
    time of up to `initial_backoff_s` seconds, doubled each time up to `max_backoff_s`; at least what the server asks.
    A server that is full refuses a job with Busy; `busy_s` is for how many seconds `submit` waits for room (0: not).
    """

    attempts: int = 5
    outage_s: float = 120.0
    initial_backoff_s: float = 0.2
    max_backoff_s: float = 3.0
    busy_s: float = 0.0


class Patience:
    """Counts the failures of one piece of work."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._failures = 0
        self._last_contact_s: float | None = None
        self._busy_since_s: float | None = None

    def renew(self) -> None:
        """The server answered: the work is under way, and a failure after this is a new outage."""
        self._failures = 0
        self._last_contact_s = time.monotonic()

    async def wait(self, error: Unavailable) -> None:
        """Sleep until the next try. Raises `error` when patience has run out."""
        self._failures += 1
        if self._is_spent():
            raise error
        policy = self._policy
        # The exponent is bounded because 2.0**1024 overflows, and a long outage has that many failures.
        ceiling_s = min(policy.max_backoff_s, policy.initial_backoff_s * 2.0 ** min(self._failures - 1, 16))
        pause_s = random.uniform(0.0, ceiling_s)  # noqa: S311  jitter needs no secrecy
        await asyncio.sleep(max(pause_s, error.retry_after_s or 0.0))

    async def wait_for_room(self, error: Busy) -> None:
        """Sleep for as long as the server advises. Raises `error` without such advice, or when `busy_s` are over."""
        now_s = time.monotonic()
        self._busy_since_s = self._busy_since_s or now_s
        if error.retry_after_s is None or now_s - self._busy_since_s >= self._policy.busy_s:
            raise error
        await asyncio.sleep(error.retry_after_s * random.uniform(1.0, 1.5))  # noqa: S311  as above

    def _is_spent(self) -> bool:
        if self._last_contact_s is None:
            return self._failures >= self._policy.attempts
        return time.monotonic() - self._last_contact_s > self._policy.outage_s
