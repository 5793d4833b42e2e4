import re
from pathlib import Path

import numpy as np
import pytest

from stenod_server.domain.job import JobState
from stenod_server.domain.transcript import Warning, Word  # noqa: A004  the word the API uses
from stenod_server.engine.fake import FakeEngine
from stenod_server.ports import Int16Audio, RecognitionRequest, WindowResult
from stenod_server.store.disk import FreeSpace
from stenod_server.telemetry.metered import MeteredEngine
from stenod_server.telemetry.metrics import Metrics
from stenod_server.telemetry.observer import MetricsObserver
from tests.support.builders import make_info, make_job
from tests.support.prometheus import alerts

AUDIO = np.zeros(16_000, np.int16)
WORD = Word("so", 0, 1600, 0.9)


class Doubting(FakeEngine):
    """Hears what it is told to hear, and how much it doubts it."""

    result = WindowResult((), "en", 1.0, 0.0)

    async def recognise(self, audio: Int16Audio, request: RecognitionRequest, *, timeout_s: float) -> WindowResult:
        del audio, request, timeout_s
        return self.result


def _value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


async def test_windows_without_speech_are_counted_by_whether_they_have_text() -> None:
    metrics, inner = Metrics(), Doubting()
    engine = MeteredEngine(inner, metrics)
    for words, no_speech in (((WORD,), 0.1), ((WORD,), 0.7), ((), 0.9), ((), 0.6), ((), 0.2)):
        inner.result = WindowResult(words, "en", 1.0, no_speech)
        await engine.recognise(AUDIO, RecognitionRequest("fake"), timeout_s=1.0)
    counted = [_value(metrics, "stenod_silent_windows_total", text=text) for text in ("some", "none")]
    assert counted == [1, 2]


def test_a_succeeded_job_counts_each_kind_of_warning_once() -> None:
    metrics = Metrics()
    warnings = (
        Warning("LOOP_COLLAPSED", "here"),
        Warning("LOOP_COLLAPSED", "there"),
        Warning("LANGUAGE_DRIFT", "here"),
    )
    job = make_job(state=JobState.SUCCEEDED, info=make_info(warnings=warnings))
    MetricsObserver(metrics).ended(job, run_s=1.0)
    assert _value(metrics, "stenod_transcript_warnings_total", reason="LOOP_COLLAPSED") == 1
    assert _value(metrics, "stenod_transcript_warnings_total", reason="LANGUAGE_DRIFT") == 1


@pytest.mark.parametrize("alert", ["StenodLeasesRescued", "StenodNotificationsGivenUp", "StenodTextOnSilence"])
def test_what_an_alert_watches_for_its_first_time_begins_at_zero(alert: str) -> None:
    metrics = Metrics()
    series = re.findall(r"(stenod_\w+)\{(\w+)=\"(\w+)\"\}", alerts()[alert]["expr"])
    assert series
    for name, label, value in series:
        assert _value(metrics, name, **{label: value}) == 0, (name, value)


def test_room_on_the_disk_is_shown_beside_what_is_kept_free(tmp_path: Path) -> None:
    metrics, space = Metrics(), FreeSpace(tmp_path, 1024)
    metrics.show_disk(free_bytes=space.free_bytes(), reserved_bytes=space.min_free_bytes)
    assert (_value(metrics, "stenod_disk_free_bytes") or 0) > 0
    assert _value(metrics, "stenod_disk_reserved_bytes") == 1024


def test_a_triton_that_is_not_used_any_more_is_forgotten() -> None:
    metrics = Metrics()
    metrics.show_triton("a:8001", is_up=True)
    metrics.show_triton("b:8001", is_up=False)
    assert [_value(metrics, "stenod_triton_up", target=target) for target in ("a:8001", "b:8001")] == [1, 0]
    metrics.forget_triton("b:8001")
    metrics.forget_triton("nobody:8001")
    assert _value(metrics, "stenod_triton_up", target="b:8001") is None
