"""The metrics that a node exports, for whoever names them elsewhere: rules, dashboards, autoscalers."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from stenod_server.domain.capacity import Admission, Capacity
from stenod_server.telemetry.metrics import Metrics

_METRIC: Final = re.compile(r"\b(stenod_[a-z0-9_]+)(?:\{([^}]*)\})?")
_MATCHER: Final = re.compile(r'(\w+)\s*(=~|=|!=|!~)\s*"([^"]*)"')
OF_THE_TARGET: Final = frozenset({"namespace", "pod", "component", "job", "instance"})  # added when it is scraped
_IDLE: Final = Capacity(
    node="a",
    admission=Admission.QUEUE,
    accepting=True,
    max_engines=4,
    reserved_engines=0,
    elastic_engines=0,
    used_engines=0,
)


@cache
def exported() -> Mapping[str, Mapping[str, frozenset[str]]]:
    """The values of each label that are known from the start, by metric as Prometheus calls it."""
    metrics, found = Metrics(), dict[str, dict[str, set[str]]]()
    metrics.show_capacity(_IDLE, {})
    for family in metrics.registry.collect():
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        for ending in endings:
            labels = found.setdefault(family.name + ending, {})
            for sample in family.samples:
                for label, value in sample.labels.items():
                    labels.setdefault(label, set()).add(value)
    return {name: {label: frozenset(values) for label, values in labels.items()} for name, labels in found.items()}


def query_faults(query: str) -> Iterator[str]:
    """What of stenod a PromQL query names that is not there: metrics, and values of labels of closed sets."""
    for metric, matchers in _METRIC.findall(query):
        if metric not in exported():
            yield f"{metric} is not exported"
            continue
        for label, operator, value in _MATCHER.findall(matchers):
            known = exported()[metric].get(label, frozenset())
            wanted = value.split("|") if "~" in operator else [value]
            if label not in OF_THE_TARGET and not known.issuperset(wanted):
                yield f"{metric} has no {label}={value!r}"
