"""The environment that a pod of the manifests gives to its main container, and the settings that come of it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from stenod_server.settings import Settings, load
from tests.support.manifests import Object, Workload, of_kind

# What whoever installs puts into the Secrets that docs/kubernetes.md names, by Secret and key.
SECRETS: Final[Mapping[str, Mapping[str, str]]] = {
    "stenod-access": {"access.toml": ""},
    "stenod-database": {"url": "postgresql://stenod:secret@db.example.org/stenod"},
    "stenod-bucket": {"STENOD_BLOB_URL": "s3://recordings/stenod", "AWS_REGION": "eu-central-1"},
    "stenod-tls": {"tls.crt": "", "tls.key": ""},
    "stenod-eval": {"api-key": ""},
}
# And into ConfigMaps.
CONFIG_MAPS: Final = frozenset({"stenod-golden"})
_PREFIX: Final = "STENOD_"


def environment(workload: Workload, objects: Sequence[Object]) -> dict[str, str]:
    """As the kubelet would make it. Raises KeyError naming a ConfigMap, a Secret or a key that nobody makes."""
    configured = {found["metadata"]["name"]: found.get("data", {}) for found in of_kind(objects, "ConfigMap")}
    found: dict[str, str] = {}
    for source in workload.main.get("envFrom", []):
        whole = configured if "configMapRef" in source else SECRETS
        found |= whole[next(iter(source.values()))["name"]]
    return found | {one["name"]: _value(one, configured) for one in workload.main.get("env", [])}


def _value(variable: Mapping[str, Any], configured: Mapping[str, Mapping[str, str]]) -> str:
    if "value" in variable:
        return str(variable["value"])
    ((kind, reference),) = variable["valueFrom"].items()
    if kind == "fieldRef":
        return f"a-{reference['fieldPath']}"
    return (configured if kind == "configMapKeyRef" else SECRETS)[reference["name"]][reference["key"]]


def runs_stenod(workload: Workload) -> bool:
    return workload.main.get("args") == ["serve"]


def settings(workload: Workload, objects: Sequence[Object]) -> Settings:
    """Raises ValueError as `stenod serve` would, naming what it does not know or take."""
    return _settings(tuple(sorted(environment(workload, objects).items())))


@cache
def _settings(wanted: tuple[tuple[str, str], ...]) -> Settings:
    with environ(dict(wanted)):
        return load()


@contextmanager
def environ(wanted: Mapping[str, str]) -> Iterator[None]:
    """With no other settings of stenod than these."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(_PREFIX)]:
        del os.environ[name]
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
