"""Whether what scales the workloads of an overlay can: its targets, its metrics, its numbers."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import yaml

from tests.support.exported_metrics import query_faults
from tests.support.manifest_environment import environment
from tests.support.manifests import K8S, Object, name_of, of_kind, workloads

ADAPTER_RULES: Final = K8S / "components" / "hpa" / "adapter-rules.yaml"
_KIND: Final = {"Pods": "custom", "External": "external"}


@cache
def adapter_metrics() -> Mapping[str, Mapping[str, str]]:
    """The query of each metric that the adapter makes, by name, by the API it is served at."""
    rules: Mapping[str, Sequence[Any]] = yaml.safe_load(ADAPTER_RULES.read_text())["rules"]
    return {api: {one["name"]["as"]: one["metricsQuery"] for one in served} for api, served in rules.items()}


def metrics_are_exported(objects: Sequence[Object]) -> Iterator[str]:
    for scaled in of_kind(objects, "ScaledObject"):
        for trigger in scaled["spec"]["triggers"]:
            for fault in query_faults(trigger["metadata"].get("query", "")):
                yield f"{name_of(scaled)}: {fault}"
    for scaler in of_kind(objects, "HorizontalPodAutoscaler"):
        for metric in scaler["spec"]["metrics"]:
            if metric["type"] == "Resource":
                continue
            name = metric[metric["type"].lower()]["metric"]["name"]
            query = adapter_metrics().get(_KIND[metric["type"]], {}).get(name)
            if query is None:
                yield f"{name_of(scaler)}: the adapter makes no {_KIND[metric['type']]} metric {name}"


def targets_are_there(objects: Sequence[Object]) -> Iterator[str]:
    """And nobody else says how many there are."""
    replicas = {workload.name.partition("/")[2]: workload.replicas for workload in workloads(objects)}
    scalers = of_kind(objects, "ScaledObject", "HorizontalPodAutoscaler")
    targets = [scaler["spec"]["scaleTargetRef"]["name"] for scaler in scalers]
    for scaler, target in zip(scalers, targets, strict=True):
        if target not in replicas:
            yield f"{name_of(scaler)}: there is no {target}"
        elif replicas[target] is not None:
            yield f"{name_of(scaler)}: {target} has replicas of its own, so an apply would undo what was scaled"
        if targets.count(target) > 1:
            yield f"{name_of(scaler)}: {target} is scaled twice"
        if _least(scaler) == 0 and target != "stenod-triton":
            yield f"{name_of(scaler)}: {target} may not go to none"


def a_worker_can_be_full(objects: Sequence[Object]) -> Iterator[str]:
    """It counts as full with fewer engines in use than it has."""
    parallel = {one.name: environment(one, objects).get("STENOD_PARALLEL") for one in workloads(objects)}
    engines = parallel.get("Deployment/stenod-worker")
    for scaled in of_kind(objects, "ScaledObject"):
        for trigger in scaled["spec"]["triggers"]:
            if scaled["metadata"]["name"] == "stenod-worker" and trigger.get("name") == "engines":
                threshold = float(trigger["metadata"]["threshold"])
                if not engines or threshold >= float(engines):
                    yield f"{name_of(scaled)}: {threshold:g} engines in use of {engines} never are"


def _least(scaler: Mapping[str, Any]) -> int:
    return int(scaler["spec"].get("minReplicaCount", scaler["spec"].get("minReplicas", 0)))
