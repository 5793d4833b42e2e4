"""When a job that failed for a passing reason is tried again. Bad input never is."""

from dataclasses import dataclass

from stenod_server.domain.job import Failure
from stenod_server.errors import StenodError


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with jitter.

    The default leaves about ten seconds between the first failure and the last attempt: a recogniser that died is
    restarted in less, so its jobs outlive it.
    """

    attempts: int = 3
    first_s: float = 2.0
    factor: float = 4.0
    max_s: float = 60.0
    jitter_ratio: float = 0.25  # of the delay, to either side: jobs that failed together do not return together

    def allows(self, failure: Failure, failures: int) -> bool:
        """Whether a job that failed so for the `failures`-th time (from 1) is run again."""
        return failure.retryable and failures < self.attempts

    def delay_s(self, failures: int, chance: float) -> float:
        """How long to wait after the `failures`-th passing failure (from 1); `chance` is drawn from [0, 1)."""
        delay_s = min(self.max_s, self.first_s * self.factor ** (failures - 1))
        return delay_s * (1 + self.jitter_ratio * (2 * chance - 1))


def failure_of(error: StenodError) -> Failure:
    """An error as data, to be stored with the job."""
    return Failure(reason=error.reason, message=error.message, retryable=error.retryable)
