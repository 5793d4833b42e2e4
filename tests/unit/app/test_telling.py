"""Who is woken when a job ends."""

from stenod_server.app.telling import WakingObserver
from stenod_server.domain.job import JobState
from stenod_server.telemetry.metrics import Metrics
from tests.support.builders import make_job


def test_the_end_of_a_job_is_counted_and_wakes() -> None:
    metrics, woken = Metrics(), []
    observer = WakingObserver(metrics, lambda: woken.append(True))
    observer.submitted(make_job())
    assert woken == []
    observer.ended(make_job(state=JobState.CANCELLED), run_s=0.0)
    assert woken == [True]
    assert metrics.registry.get_sample_value("stenod_jobs_ended_total", {"state": "cancelled", "reason": ""}) == 1.0
