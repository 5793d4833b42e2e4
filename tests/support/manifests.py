"""The manifests of deploy/k8s as a cluster would get them, and whether each object is one that Kubernetes knows."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema
import kubernetes_validate
import yaml

from tests.support.speech import PROJECT_ROOT

K8S: Final = PROJECT_ROOT / "deploy" / "k8s"
OVERLAYS: Final = tuple(sorted(path.parent.name for path in (K8S / "overlays").glob("*/kustomization.yaml")))
# docs/kubernetes.md promises the oldest; volumes that are images are only in the second.
OLDEST_KUBERNETES: Final = "1.30.0"
OLDEST_BY_OVERLAY: Final = {"cluster-hpa": "1.35.0"}
_CRDS: Final = {
    path.stem: json.loads(path.read_text()) for path in Path(__file__).with_name("crd_schemas").glob("*.json")
}

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Workload:
    """What makes pods. `pod` is their spec, `labels` are theirs."""

    name: str  # KIND/NAME
    replicas: int | None
    labels: Mapping[str, str]
    pod: Mapping[str, Any]

    @property
    def containers(self) -> Sequence[Mapping[str, Any]]:
        """All of them, those that run before the others too."""
        return [*self.pod.get("initContainers", []), *self.pod["containers"]]

    @property
    def main(self) -> Mapping[str, Any]:
        """The first of those that stay."""
        first: Mapping[str, Any] = self.pod["containers"][0]
        return first

    @property
    def ports(self) -> Mapping[str, int]:
        return {port["name"]: port["containerPort"] for port in self.main.get("ports", [])}

    @property
    def ends(self) -> bool:
        """By itself, sooner or later."""
        return self.name.startswith(("Job/", "CronJob/"))

    def has_port(self, port: int | str) -> bool:
        return port in self.ports if isinstance(port, str) else port in self.ports.values()


def kustomize(directory: Path) -> str:
    """What `kubectl apply -k` would send. Raises CalledProcessError; the lock of the tests has a kubectl."""
    kubectl = shutil.which("kubectl", path=f"{PROJECT_ROOT / '.venv' / 'bin'}:{os.environ['PATH']}")
    assert kubectl, "no kubectl: make setup-dev"
    return subprocess.run([kubectl, "kustomize", directory], check=True, capture_output=True, text=True).stdout


@cache
def _built(overlay: str) -> str:
    return json.dumps(read(kustomize(K8S / "overlays" / overlay)))


def build(overlay: str) -> list[Object]:
    """Objects of one's own: change them as you like."""
    objects: list[Object] = json.loads(_built(overlay))
    return objects


def read(text: str) -> list[Object]:
    return [found for found in yaml.load_all(text, yaml.CSafeLoader) if found]


def name_of(found: Mapping[str, Any]) -> str:
    return f"{found.get('kind')}/{found.get('metadata', {}).get('name')}"


def of_kind(objects: Sequence[Object], *kinds: str) -> list[Object]:
    return [found for found in objects if found.get("kind") in kinds]


def named(objects: Sequence[Object], name: str) -> Object:
    """The one of KIND/NAME; of a ConfigMap, whose name ends in a hash, KIND/ is enough."""
    (found,) = (one for one in objects if name_of(one) == name or (name[-1] == "/" and name_of(one).startswith(name)))
    return found


def workloads(objects: Sequence[Object]) -> Iterator[Workload]:
    for found in of_kind(objects, "Deployment", "StatefulSet", "Job", "CronJob"):
        spec = found["spec"]["jobTemplate"]["spec"] if found["kind"] == "CronJob" else found["spec"]
        template = spec["template"]
        yield Workload(name_of(found), spec.get("replicas"), template["metadata"].get("labels", {}), template["spec"])


def versions_of(overlay: str) -> tuple[str, str]:
    """The oldest and the newest Kubernetes that it is for."""
    return OLDEST_BY_OVERLAY.get(overlay, OLDEST_KUBERNETES), kubernetes_validate.latest_version()


def schema_faults(objects: Sequence[Object], versions: Sequence[str]) -> list[str]:
    """What those versions of Kubernetes, or the operator whose kind it is, would not understand."""
    return [fault for found in objects for fault in _faults(found, versions)]


def _faults(found: Object, versions: Sequence[str]) -> Iterator[str]:
    if crd := _CRDS.get(str(found.get("kind")).lower()):
        for error in jsonschema.Draft202012Validator(crd).iter_errors(found):
            yield f"{name_of(found)}: {'.'.join(map(str, error.path))}: {error.message}"
        return
    for version in versions:
        try:
            kubernetes_validate.validate(found, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{name_of(found)}: {'.'.join(map(str, error.path))}: {error.message} (Kubernetes {version})"
        except kubernetes_validate.SchemaNotFoundError as error:
            yield f"{name_of(found)}: {error.message}, and there is none in tests/support/crd_schemas"
