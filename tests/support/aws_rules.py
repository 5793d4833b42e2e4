"""What cfn-lint does not know of deploy/aws/pipeline.yaml: who may do what, and that an event becomes a transcript."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import yaml

from stenod_server.settings import Settings
from tests.support.speech import PROJECT_ROOT

TEMPLATE: Final = PROJECT_ROOT / "deploy" / "aws" / "pipeline.yaml"
EVERY_S: Final = 10
WATCHED: Final = {
    "nvidia_gpu": {"utilization_gpu", "power_draw", "memory_used"},
    "cpu": {"usage_active"},
    "mem": {"used_percent"},
    "disk": {"used_percent"},
}
# What the entry point of the image reads.
PLACES: Final = {"OUTPUT": "s3://${OutputBucket}", "STATE": "s3://${OutputBucket}/.checkpoints"}
# What AWS itself asks of a machine that runs containers of ECS.
_MANAGED: Final = "service-role/AmazonEC2ContainerServiceforEC2Role"
# Actions that know no resources; each must be narrowed by a condition.
_WITHOUT_RESOURCES: Final = frozenset({"cloudwatch:PutMetricData"})

Template = dict[str, Any]
Rule = Callable[[Template], Iterator[str]]


class _Loader(yaml.SafeLoader):
    """YAML with the short forms of CloudFormation's functions, as their long ones."""


def _function(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    return {suffix if suffix == "Ref" else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _function)


@cache
def _read() -> str:
    return json.dumps(yaml.load(TEMPLATE.read_text(), _Loader))


def load() -> Template:
    """One of one's own."""
    template: Template = json.loads(_read())
    return template


def faults(template: Template) -> list[str]:
    return [fault for rule in RULES for fault in rule(template)]


def privileges_are_least(template: Template) -> Iterator[str]:
    for name, statement in _statements(template):
        if statement["Effect"] == "Deny":
            continue
        actions, resources = _listed(statement["Action"]), _listed(statement.get("Resource", []))
        for action in actions:
            if "*" in action:
                yield f"{name}: allows {action}"
        bound = set(actions) <= _WITHOUT_RESOURCES and statement.get("Condition")
        if "*" in resources and not bound:
            yield f"{name}: allows {actions} on everything"


def roles_are_for_services(template: Template) -> Iterator[str]:
    for name, role in _of_type(template, "AWS::IAM::Role").items():
        for policy in role.get("ManagedPolicyArns", []):
            if not str(policy).rstrip("'}").endswith(_MANAGED):
                yield f"{name}: has all of {policy}"
        for statement in role["AssumeRolePolicyDocument"]["Statement"]:
            if set(statement["Principal"]) != {"Service"}:
                yield f"{name}: others than services may be it"


def the_job_reads_here_and_writes_there(template: Template) -> Iterator[str]:
    granted: dict[str, set[str]] = {}
    for policy in template["Resources"]["JobRole"]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            for resource in _listed(statement["Resource"]):
                granted.setdefault(json.dumps(resource), set()).update(_listed(statement["Action"]))
    on_input = granted.get(json.dumps({"Fn::Sub": "${InputBucket.Arn}/*"}), set())
    on_output = granted.get(json.dumps({"Fn::Sub": "${OutputBucket.Arn}/*"}), set())
    if not on_input or on_input - {"s3:GetObject", "s3:GetObjectVersion"}:
        yield f"JobRole: may {sorted(on_input)} recordings, not read them alone"
    if not {"s3:GetObject", "s3:PutObject"} <= on_output:
        yield f"JobRole: may {sorted(on_output)} transcripts, which does not keep a checkpoint"
    if on_output & {"s3:DeleteObject"}:
        yield "JobRole: may delete transcripts, not its checkpoints alone"
    listed = granted.get(json.dumps({"Fn::GetAtt": "OutputBucket.Arn"}), set())
    if listed != {"s3:ListBucket"}:
        yield "JobRole: cannot tell a checkpoint that is not there from one that is forbidden"


def buckets_are_shut(template: Template) -> Iterator[str]:
    policies = [policy["Bucket"].get("Ref") for policy in _of_type(template, "AWS::S3::BucketPolicy").values()]
    for name, bucket in _of_type(template, "AWS::S3::Bucket").items():
        if set(bucket.get("PublicAccessBlockConfiguration", {}).values()) != {True}:
            yield f"{name}: may be public"
        if "BucketEncryption" not in bucket:
            yield f"{name}: is not encrypted"
        if name not in policies:
            yield f"{name}: can be read without TLS"


def an_event_becomes_a_job(template: Template) -> Iterator[str]:
    resources = template["Resources"]
    rule = resources["Uploaded"]["Properties"]
    (bucket,) = rule["EventPattern"]["detail"]["bucket"]["name"]
    source = resources.get(bucket["Ref"], {}).get("Properties", {})
    if not source.get("NotificationConfiguration", {}).get("EventBridgeConfiguration", {}).get("EventBridgeEnabled"):
        yield f"{bucket['Ref']}: tells EventBridge nothing"
    if (rule["EventPattern"]["source"], rule["EventPattern"]["detail-type"]) != (["aws.s3"], ["Object Created"]):
        yield "Uploaded: hears of other things than new objects"
    (target,) = rule["Targets"]
    kinds = {"Arn": "AWS::Batch::JobQueue"}
    for key, kind in kinds.items():
        if resources.get(target[key].get("Ref"), {}).get("Type") != kind:
            yield f"Uploaded: {key} is no {kind}"
    definition = resources.get(target["BatchParameters"]["JobDefinition"].get("Ref"), {})
    if definition.get("Type") != "AWS::Batch::JobDefinition":
        yield "Uploaded: asks for no job definition"
        return
    if "RetryStrategy" in target["BatchParameters"]:
        yield "Uploaded: says how often, so what the job definition says of exit codes does not count"
    sent = set(_sent(target["InputTransformer"]))
    command = definition["Properties"]["ContainerProperties"]["Command"]
    wanted = [word.removeprefix("Ref::") for word in command if word.startswith("Ref::")]
    if wanted != ["bucket", "key"] or sent != set(wanted):
        yield f"Transcribe: wants {wanted}, and gets {sorted(sent)}"


def it_may_be_tried_again(template: Template) -> Iterator[str]:
    retry = template["Resources"]["Transcribe"]["Properties"]["RetryStrategy"]
    if retry["Attempts"] != 3:
        yield f"Transcribe: is tried {retry['Attempts']} times, not once and twice again"
    rules = retry["EvaluateOnExit"]
    if "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true" not in _user_data(template):
        yield "LaunchTemplate: nobody is told that the machine is taken away"
    if rules[0] != {"Action": "RETRY", "OnStatusReason": "Host EC2*"}:
        yield "Transcribe: a machine that was taken away does not come first"
    if not any(rule["Action"] == "EXIT" and rule.get("OnExitCode") == "1" for rule in rules):
        yield "Transcribe: a recording that is no good is tried again"


def machines_come_and_go(template: Template) -> Iterator[str]:
    machines = template["Resources"]["Machines"]["Properties"]["ComputeResources"]
    if machines["MinvCpus"] != 0:
        yield "Machines: some stay"
    if machines["Type"] != {"Fn::If": ["Spot", "SPOT", "EC2"]}:
        yield "Machines: are not what UseSpotInstances says"
    container = template["Resources"]["Transcribe"]["Properties"]["ContainerProperties"]
    needs = {one["Type"] for one in container["ResourceRequirements"]}
    if needs != {"GPU", "VCPU", "MEMORY"}:
        yield f"Transcribe: asks for {sorted(needs)}"
    if machines["Ec2Configuration"] != [{"ImageType": "ECS_AL2023_NVIDIA"}]:
        yield "Machines: have no driver of NVIDIA's"


def settings_are_known(template: Template) -> Iterator[str]:
    container = template["Resources"]["Transcribe"]["Properties"]["ContainerProperties"]
    given = {one["Name"]: one["Value"] for one in container["Environment"]}
    for name in given:
        if name.startswith("STENOD_") and name.removeprefix("STENOD_").lower() not in Settings.model_fields:
            yield f"Transcribe: {name} is no setting"
    for name, place in PLACES.items():
        if given.get(name) != {"Fn::Sub": place}:
            yield f"Transcribe: {name} is {given.get(name)}"
    for name in ("STENOD_CHUNK_LEFT_S", "STENOD_CHUNK_RIGHT_S"):
        if "Streaming" not in json.dumps(given.get(name)):
            yield f"Transcribe: EnableStreaming does not change {name}"


def everything_is_watched(template: Template) -> Iterator[str]:
    config = json.loads(template["Resources"]["AgentConfig"]["Properties"]["Value"])
    collected = config["metrics"]["metrics_collected"]
    if config["agent"]["metrics_collection_interval"] != EVERY_S:
        yield f"AgentConfig: looks every {config['agent']['metrics_collection_interval']} s"
    for name, measurements in WATCHED.items():
        if not measurements <= set(collected.get(name, {}).get("measurement", [])):
            yield f"AgentConfig: {sorted(measurements)} of {name} are not watched"
    if "fetch-config" not in _user_data(template) or "ssm:${AgentConfig}" not in _user_data(template):
        yield "LaunchTemplate: does not start the agent"


def _user_data(template: Template) -> str:
    return str(template["Resources"]["LaunchTemplate"]["Properties"]["LaunchTemplateData"]["UserData"])


def _statements(template: Template) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, resource in template["Resources"].items():
        properties = resource["Properties"]
        documents = [properties.get("PolicyDocument", {})]
        documents += [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        for document in documents:
            for statement in document.get("Statement", []):
                yield name, statement


def _of_type(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    return {name: one["Properties"] for name, one in template["Resources"].items() if one["Type"] == kind}


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _sent(transformer: Mapping[str, Any]) -> Mapping[str, str]:
    """The parameters of a job, with an event's paths. Raises ValueError where what is sent is no JSON."""
    paths = transformer["InputPathsMap"]
    filled = re.sub(r"<(\w+)>", lambda match: json.dumps(paths.get(match[1], "")), transformer["InputTemplate"])
    sent: Mapping[str, str] = json.loads(filled).get("Parameters", {})
    return {name: path for name, path in sent.items() if path}


RULES: Final[tuple[Rule, ...]] = (
    privileges_are_least,
    roles_are_for_services,
    the_job_reads_here_and_writes_there,
    buckets_are_shut,
    an_event_becomes_a_job,
    it_may_be_tried_again,
    machines_come_and_go,
    settings_are_known,
    everything_is_watched,
)
