"""What is counted of each Triton. Its address is a label: a closed set, for a deployment names them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class TritonReport:
    """`url` is `host:port`; `serves`: it may get windows. `answered` and `failed` windows since this node uses it."""

    url: str
    serves: bool
    in_flight: int
    answered: int
    failed: int


@dataclass(frozen=True, slots=True)
class HedgeReport:
    """Windows that were asked of a second Triton, and of how many of them its answer was first."""

    asked: int
    won: int


class TritonCollector(Collector):
    """Reads at each scrape, in the thread of the scrape: what it is given must be safe to call there."""

    def __init__(
        self, tritons: Callable[[], Sequence[TritonReport]], hedges: Callable[[], HedgeReport] | None = None
    ) -> None:
        self._tritons: Final = tritons
        self._hedges: Final = hedges

    def collect(self) -> Iterator[Metric]:
        busy = GaugeMetricFamily("stenod_triton_windows_in_flight", "Windows sent, not answered", labels=["target"])
        done = CounterMetricFamily("stenod_triton_windows", "Windows, by outcome", labels=["target", "outcome"])
        for one in self._tritons():
            busy.add_metric([one.url], one.in_flight)
            done.add_metric([one.url, "answered"], one.answered)
            done.add_metric([one.url, "failed"], one.failed)
        yield from (busy, done)
        if self._hedges is None:
            return
        hedges = CounterMetricFamily("stenod_hedges", "Windows asked of a second Triton", labels=["outcome"])
        report = self._hedges()
        hedges.add_metric(["won"], report.won)
        hedges.add_metric(["lost"], report.asked - report.won)
        yield hedges
