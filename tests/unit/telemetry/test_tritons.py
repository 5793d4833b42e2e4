"""What a scrape says of each Triton, and of windows that were asked twice."""

from prometheus_client import CollectorRegistry

from stenod_server.telemetry.tritons import HedgeReport, TritonCollector, TritonReport


def test_each_triton_and_each_hedge_is_counted_as_it_is_at_the_scrape() -> None:
    tritons: list[TritonReport] = []
    registry = CollectorRegistry()
    registry.register(TritonCollector(lambda: tritons, lambda: HedgeReport(asked=5, won=3)))
    tritons.append(TritonReport("gpu-a:8001", serves=True, in_flight=4, answered=70, failed=2))
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in registry.collect()
        for sample in family.samples
    }
    assert found == {
        ("stenod_triton_windows_in_flight", "gpu-a:8001"): 4,
        ("stenod_triton_windows_total", "gpu-a:8001", "answered"): 70,
        ("stenod_triton_windows_total", "gpu-a:8001", "failed"): 2,
        ("stenod_hedges_total", "won"): 3,
        ("stenod_hedges_total", "lost"): 2,
    }
