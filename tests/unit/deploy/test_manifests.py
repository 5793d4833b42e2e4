"""deploy/k8s, built as a cluster would get it: known to Kubernetes, and its parts fit each other and stenod.

`make prove-manifests` does the same over more versions of Kubernetes, and adds checkov.
"""

import re
from functools import cache

import pytest
import yaml

from stenod_server.settings import Settings
from tests.support.exported_metrics import exported, query_faults
from tests.support.manifest_environment import CONFIG_MAPS, SECRETS, environment, runs_stenod, settings
from tests.support.manifest_mutations import MUTATIONS, Mutation
from tests.support.manifest_rules import RULES, faults, faults_by_rule
from tests.support.manifest_scaling import adapter_metrics
from tests.support.manifests import K8S, OVERLAYS, build, of_kind, schema_faults, versions_of, workloads
from tests.support.speech import PROJECT_ROOT

FAST = [mutation for mutation in MUTATIONS if mutation.check != "checkov"]


def test_there_are_four_overlays() -> None:
    assert OVERLAYS == ("cluster", "cluster-hpa", "embedded", "gpu")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_understands_an_overlay_and_its_parts_fit(overlay: str) -> None:
    objects = build(overlay)
    assert schema_faults(objects, versions_of(overlay)[:1]) == []
    assert faults(objects) == []


@cache
def _seen_by(mutation: Mutation) -> dict[str, list[str]]:
    """What each rule, or the schemas, say of it."""
    objects = mutation.objects()
    if mutation.check == "rules":
        return faults_by_rule(objects)
    changed = [found for found in objects if found not in build(mutation.overlay)]
    return {"schema": schema_faults(changed, versions_of(mutation.overlay)[:1])}


@pytest.mark.parametrize("mutation", FAST, ids=lambda mutation: mutation.title)
def test_a_fault_in_the_manifests_is_seen(mutation: Mutation) -> None:
    said = [fault for found in _seen_by(mutation).values() for fault in found]
    assert any(mutation.says in fault for fault in said), said


def test_every_rule_sees_a_fault_of_its_own() -> None:
    seen = {
        rule
        for mutation in FAST
        for rule, found in _seen_by(mutation).items()
        if any(mutation.says in f for f in found)
    }
    assert seen == {"schema", *(rule.__name__ for rule in RULES)}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_keys_of_the_config_map_are_settings_and_come_to_their_values(overlay: str) -> None:
    objects = build(overlay)
    (config,) = of_kind(objects, "ConfigMap")
    keys = {key.removeprefix("STENOD_").lower() for key in config["data"]}
    assert keys <= Settings.model_fields.keys()
    nodes = [workload for workload in workloads(objects) if runs_stenod(workload)]
    assert nodes
    for node in nodes:
        chosen = settings(node, objects)
        given = {key.removeprefix("STENOD_").lower() for key in environment(node, objects) if key.startswith("STENOD_")}
        assert given == chosen.model_fields_set


def test_servers_of_a_cluster_have_no_engines_and_workers_have() -> None:
    objects = build("cluster")
    engines = {one.name: settings(one, objects).parallel for one in workloads(objects) if runs_stenod(one)}
    assert engines == {"Deployment/stenod": 0, "Deployment/stenod-worker": 64}


def test_the_adapter_s_queries_name_metrics_that_there_are() -> None:
    queries = [query for served in adapter_metrics().values() for query in served.values()]
    assert len(queries) == 3
    assert [fault for query in queries for fault in query_faults(query)] == []
    rules = yaml.safe_load((K8S / "components" / "hpa" / "adapter-rules.yaml").read_text())["rules"]
    series = [one["seriesQuery"] for served in rules.values() for one in served]
    assert [fault for query in series for fault in query_faults(query)] == []


def test_metrics_are_known_as_prometheus_calls_them() -> None:
    assert {"stenod_jobs_ended_total", "stenod_rpc_seconds_bucket", "stenod_engines"} <= exported().keys()
    assert {"max", "used"} <= exported()["stenod_engines"]["kind"]
    assert list(query_faults('sum(stenod_engines{kind=~"used|usd"})')) == ["stenod_engines has no kind='used|usd'"]


def test_every_component_is_part_of_an_overlay() -> None:
    used = " ".join(path.read_text() for path in K8S.rglob("kustomization.yaml"))
    components = {path.name for path in (K8S / "components").iterdir()}
    assert {name for name in components if re.search(rf"components/{name}\b(?!-)", used)} == components


def test_the_documentation_tells_to_make_every_secret() -> None:
    text = (PROJECT_ROOT / "docs" / "kubernetes.md").read_text()
    assert [name for name in SECRETS if not re.search(rf"create secret (generic|tls) {name}\b", text)] == []
    assert [name for name in CONFIG_MAPS if f"create configmap {name} " not in text] == []
