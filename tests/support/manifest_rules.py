"""What no schema knows: whether the parts of an overlay fit each other, and stenod.

Each rule yields what is wrong, in words. `faults` are those of all.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import typer

from stenod_server.app.listeners import STOP_GRACE_S
from stenod_server.cli.root import app
from stenod_server.rpc.health import LIVENESS_NAME
from tests.support.manifest_environment import CONFIG_MAPS, SECRETS, environment, runs_stenod, settings
from tests.support.manifest_scaling import a_worker_can_be_full, metrics_are_exported, targets_are_there
from tests.support.manifests import Object, Workload, name_of, of_kind, workloads
from tests.support.speech import PROJECT_ROOT

READINESS: Final = "readiness"
CLOSE_S: Final = STOP_GRACE_S + 5.0  # after the drain: calls that end, the store
OWN_TRITON_CLOSE_S: Final = 10.0  # more, where it ends too
_VERSION: Final = re.search(r'^version = "(.+)"$', (PROJECT_ROOT / "pyproject.toml").read_text(), re.MULTILINE)
_EXIT_TIMEOUT: Final = re.compile(r"--exit-timeout-secs=(\d+)")

Rule = Callable[[Sequence[Object]], Iterator[str]]


def faults(objects: Sequence[Object]) -> list[str]:
    return [fault for found in faults_by_rule(objects).values() for fault in found]


def faults_by_rule(objects: Sequence[Object]) -> dict[str, list[str]]:
    return {rule.__name__: list(rule(objects)) for rule in RULES}


def settings_are_known(objects: Sequence[Object]) -> Iterator[str]:
    for workload in _nodes(objects):
        try:
            settings(workload, objects)
        except (ValueError, KeyError) as error:
            yield f"{workload.name}: stenod would not start: {error}"


def keys_are_settings(objects: Sequence[Object]) -> Iterator[str]:
    """In a ConfigMap, too, that no pod reads."""
    from stenod_server.settings import Settings  # noqa: PLC0415  beside its use: the one rule about it

    for found in of_kind(objects, "ConfigMap"):
        for key in found.get("data", {}):
            if key.removeprefix("STENOD_").lower() not in Settings.model_fields or not key.startswith("STENOD_"):
                yield f"{name_of(found)}: {key} is no setting"


def listeners_have_ports(objects: Sequence[Object]) -> Iterator[str]:
    for workload in _loadable(objects):
        chosen = settings(workload, objects)
        addresses = {"grpc": chosen.listen, "http": chosen.http_listen, "metrics": chosen.metrics_listen}
        addresses["health"] = chosen.health_listen
        for name, address in addresses.items():
            is_open = address != "off" and not address.startswith("127.")
            listens = int(address.rpartition(":")[2]) if is_open else None
            if workload.ports.get(name) != listens:
                yield f"{workload.name}: port {name} is {workload.ports.get(name)}, stenod listens on {address}"


def probes_ask_what_they_mean(objects: Sequence[Object]) -> Iterator[str]:
    meanings = {"startupProbe": READINESS, "readinessProbe": READINESS, "livenessProbe": LIVENESS_NAME}
    for workload in _nodes(objects):
        for probe, service in meanings.items():
            asked = workload.main.get(probe, {}).get("grpc", {})
            if asked.get("port") != workload.ports.get("health"):
                yield f"{workload.name}: {probe} asks port {asked.get('port')}, health is on {workload.ports}"
            if asked.get("service") != service:
                yield f"{workload.name}: {probe} asks for {asked.get('service')!r}, not {service!r}"
    for workload in workloads(objects):
        for probe in meanings:
            asked = workload.main.get(probe, {})
            port = asked.get("grpc", {}).get("port") or asked.get("httpGet", {}).get("port")
            if port and not workload.has_port(port):
                yield f"{workload.name}: {probe} asks port {port}, which it has not"


def services_reach_pods(objects: Sequence[Object]) -> Iterator[str]:
    for service in of_kind(objects, "Service"):
        behind = [one for one in workloads(objects) if _holds(service["spec"]["selector"], one.labels)]
        if not behind:
            yield f"{name_of(service)}: selects nothing"
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            for workload in behind:
                if not workload.has_port(target):
                    yield f"{name_of(service)}: port {target} is none of {workload.name}"
                elif service["spec"].get("clusterIP") == "None" and workload.ports.get(target, target) != port["port"]:
                    yield f"{name_of(service)}: is headless, so port {port['port']} leads nowhere"


def selectors_select(objects: Sequence[Object]) -> Iterator[str]:
    for found in of_kind(objects, "PodDisruptionBudget", "PodMonitor"):
        if not _selected(found["spec"]["selector"], objects):
            yield f"{name_of(found)}: selects nothing"
    for monitor in of_kind(objects, "PodMonitor"):
        for workload in _selected(monitor["spec"]["selector"], objects):
            for endpoint in monitor["spec"]["podMetricsEndpoints"]:
                if not workload.has_port(endpoint["port"]):
                    yield f"{name_of(monitor)}: port {endpoint['port']} is none of {workload.name}"
    budgets = of_kind(objects, "PodDisruptionBudget")
    for workload in workloads(objects):
        count = sum(_holds(one["spec"]["selector"]["matchLabels"], workload.labels) for one in budgets)
        if count != (0 if workload.ends else 1):
            yield f"{workload.name}: has {count} disruption budgets"


def policies_fit(objects: Sequence[Object]) -> Iterator[str]:
    policies = of_kind(objects, "NetworkPolicy")
    for policy in policies:
        chosen = _selected(policy["spec"]["podSelector"], objects)
        if not chosen:
            yield f"{name_of(policy)}: selects nothing"
        for rule in policy["spec"].get("ingress", []):
            for port in rule.get("ports", []):
                if not any(one.has_port(port["port"]) for one in chosen):
                    yield f"{name_of(policy)}: lets in to port {port['port']}, which none of its pods has"
    for workload in workloads(objects):
        closed = [one for one in policies if _holds(one["spec"]["podSelector"].get("matchLabels", {}), workload.labels)]
        kinds = {kind for one in closed if not one["spec"].keys() & {"ingress", "egress"} for kind in _types(one)}
        if kinds != {"Ingress", "Egress"}:
            yield f"{workload.name}: is not shut by default"


def mounts_have_volumes(objects: Sequence[Object]) -> Iterator[str]:
    claims = {found["metadata"]["name"] for found in of_kind(objects, "PersistentVolumeClaim")}
    for found in of_kind(objects, "StatefulSet"):
        claims |= {claim["metadata"]["name"] for claim in found["spec"].get("volumeClaimTemplates", [])}
    for workload in workloads(objects):
        volumes = {volume["name"]: volume for volume in workload.pod.get("volumes", [])}
        for container in workload.containers:
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in volumes and mount["name"] not in claims:
                    yield f"{workload.name}: mounts {mount['name']}, which is no volume"
        for volume in volumes.values():
            if (secret := volume.get("secret", {}).get("secretName")) and secret not in SECRETS:
                yield f"{workload.name}: Secret {secret} is none that the documentation tells to make"
            if (config := volume.get("configMap", {}).get("name")) and config not in CONFIG_MAPS:
                yield f"{workload.name}: ConfigMap {config} is none that the documentation tells to make"
            if (claim := volume.get("persistentVolumeClaim", {}).get("claimName")) and claim not in claims:
                yield f"{workload.name}: there is no claim {claim}"


def files_can_be_used(objects: Sequence[Object]) -> Iterator[str]:
    """What stenod writes to can be written to; files that it is told to read lie on a volume."""
    for workload in _loadable(objects):
        chosen, mounts = settings(workload, objects), workload.main.get("volumeMounts", [])
        writable = [mount["mountPath"] for mount in mounts if not mount.get("readOnly")]
        for path in (str(chosen.data_dir), "/tmp"):
            if not _lies_in(path, writable):
                yield f"{workload.name}: {path} cannot be written to"
        for name in ("access_file", "tls_cert_file", "tls_key_file"):
            path = str(getattr(chosen, name) or "")
            if path and not _lies_in(path, [mount["mountPath"] for mount in mounts]):
                yield f"{workload.name}: {name} = {path} is on no volume"


def there_is_time_to_drain(objects: Sequence[Object]) -> Iterator[str]:
    entry_point = (PROJECT_ROOT / "deploy" / "docker" / "triton-entrypoint").read_text()
    for workload in workloads(objects):
        grace_s = workload.pod.get("terminationGracePeriodSeconds", 30)
        sleep_s = workload.main.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if workload.name.endswith("stenod-triton"):
            said = _EXIT_TIMEOUT.findall(" ".join([entry_point, *workload.main.get("args", [])]))
            needed_s = sleep_s + float(said[-1])
        elif runs_stenod(workload):
            own_s = 0.0 if "STENOD_TRITON_URL" in environment(workload, objects) else OWN_TRITON_CLOSE_S
            needed_s = sleep_s + float(environment(workload, objects)["STENOD_DRAIN_S"]) + CLOSE_S + own_s
        else:
            continue
        if grace_s < needed_s:
            yield f"{workload.name}: is killed after {grace_s} s, and needs {needed_s:g} s to end"


def pods_are_confined(objects: Sequence[Object]) -> Iterator[str]:
    wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    for workload in workloads(objects):
        pod = workload.pod.get("securityContext", {})
        if not pod.get("runAsNonRoot") or pod.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{workload.name}: may be root, or make any system call"
        if workload.pod.get("enableServiceLinks") is not False:
            yield f"{workload.name}: would get STENOD_…_SERVICE_HOST, which stenod does not know, and not start"
        if workload.pod.get("automountServiceAccountToken") is not False:
            yield f"{workload.name}: gets a token of the API server that it has no use for"
        for container in workload.containers:
            context = container.get("securityContext", {})
            if any(context.get(key) != value for key, value in wanted.items()):
                yield f"{workload.name}: container {container['name']} is not confined"
            if "memory" not in container.get("resources", {}).get("limits", {}):
                yield f"{workload.name}: container {container['name']} may take all memory"


def images_are_of_this_version(objects: Sequence[Object]) -> Iterator[str]:
    assert _VERSION
    for workload in workloads(objects):
        volumes = [volume["image"]["reference"] for volume in workload.pod.get("volumes", []) if "image" in volume]
        for image in [container["image"] for container in workload.containers] + volumes:
            if image.rpartition(":")[2] != _VERSION[1]:
                yield f"{workload.name}: image {image} is not of version {_VERSION[1]}"


def commands_are_stenod_s(objects: Sequence[Object]) -> Iterator[str]:
    """With options that they have; the entry point of the image makes `stenod …` of them."""
    for workload in workloads(objects):
        for container in workload.containers:
            if container["image"].partition(":")[0] in {"stenod", "stenod-export"} and "command" not in container:
                try:
                    _parse(container.get("args", []))
                except Exception as error:  # noqa: BLE001  typer's click has errors of its own, which it does not export
                    yield f"{workload.name}: stenod {' '.join(container.get('args', []))}: {error}"


def _parse(arguments: Sequence[str]) -> None:
    command: Any = typer.main.get_command(app)
    rest = list(arguments)
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    command.make_context("stenod", rest)


def state_is_not_shared_by_accident(objects: Sequence[Object]) -> Iterator[str]:
    for workload in _loadable(objects):
        if not settings(workload, objects).database_url and workload.replicas != 1:
            yield f"{workload.name}: {workload.replicas} nodes without a database would each have their own jobs"


def tritons_can_be_found(objects: Sequence[Object]) -> Iterator[str]:
    services = {
        f"{found['metadata']['name']}:{port['port']}": found["spec"].get("clusterIP")
        for found in of_kind(objects, "Service")
        for port in found["spec"]["ports"]
    }
    for workload in _loadable(objects):
        for url in settings(workload, objects).triton_url:
            if services.get(url.removeprefix("dns:///")) != "None":
                yield f"{workload.name}: {url} is no headless Service"


def _nodes(objects: Sequence[Object]) -> Iterator[Workload]:
    return (workload for workload in workloads(objects) if runs_stenod(workload))


def _loadable(objects: Sequence[Object]) -> Iterator[Workload]:
    """Those whose settings are right; of the others another rule tells."""
    return (one for one in _nodes(objects) if not list(settings_are_known(_only(one, objects))))


def _only(wanted: Workload, objects: Sequence[Object]) -> list[Object]:
    return [found for found in objects if found["kind"] == "ConfigMap" or name_of(found) == wanted.name]


def _selected(selector: Mapping[str, Any], objects: Sequence[Object]) -> list[Workload]:
    return [one for one in workloads(objects) if _holds(selector.get("matchLabels", {}), one.labels)]


def _holds(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return selector.items() <= labels.items()


def _types(policy: Mapping[str, Any]) -> Sequence[str]:
    types: Sequence[str] = policy["spec"].get("policyTypes", [])
    return types


def _lies_in(path: str, directories: Sequence[str]) -> bool:
    return any(path == directory or path.startswith(f"{directory}/") for directory in directories)


RULES: Final[tuple[Rule, ...]] = (
    settings_are_known,
    keys_are_settings,
    listeners_have_ports,
    probes_ask_what_they_mean,
    services_reach_pods,
    selectors_select,
    policies_fit,
    mounts_have_volumes,
    files_can_be_used,
    there_is_time_to_drain,
    pods_are_confined,
    images_are_of_this_version,
    commands_are_stenod_s,
    state_is_not_shared_by_accident,
    tritons_can_be_found,
    metrics_are_exported,
    targets_are_there,
    a_worker_can_be_full,
)
