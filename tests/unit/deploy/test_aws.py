"""The pipeline on AWS: cfn-lint, least privilege, and the way of an event from the bucket to the job."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.aws_rules import RULES, TEMPLATE, faults, load
from tests.support.speech import PROJECT_ROOT

AWS = PROJECT_ROOT / "deploy" / "aws"
CFN_LINT = PROJECT_ROOT / ".venv" / "bin" / "cfn-lint"
_RULE = "Resources/Uploaded/Properties"
_JOB = "Resources/Transcribe/Properties"
_GRANTS = "Resources/JobRole/Properties/Policies/0/PolicyDocument/Statement"
_ALL_METRICS = '{"agent": {"metrics_collection_interval": 60}, "metrics": {"metrics_collected": {}}}'

_MAY_DELETE = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]

FAULTS = [
    (f"{_GRANTS}/1/Action", ["s3:*"], "allows s3:*"),
    (f"{_GRANTS}/0/Resource", "*", "on everything"),
    (f"{_GRANTS}/0/Action", ["s3:DeleteObject"], "recordings"),
    (f"{_GRANTS}/1/Action", ["s3:PutObject"], "checkpoint"),
    (f"{_GRANTS}/3/Action", "s3:GetBucketAcl", "not there"),
    (f"{_GRANTS}/1/Action", _MAY_DELETE, "may delete transcripts"),
    ("Resources/LaunchTemplate/Properties/LaunchTemplateData/UserData", "", "nobody is told"),
    (f"{_JOB}/ContainerProperties/Environment/1/Value", {"Fn::Sub": "s3://${InputBucket}"}, "STATE is"),
    ("Resources/InstanceRole/Properties/Policies/0/PolicyDocument/Statement/0/Condition", {}, "on everything"),
    ("Resources/InstanceRole/Properties/ManagedPolicyArns", ["arn:aws:iam::aws:policy/AmazonS3FullAccess"], "all of"),
    ("Resources/EventRole/Properties/AssumeRolePolicyDocument/Statement/0/Principal", {"AWS": "*"}, "others than"),
    ("Resources/OutputBucket/Properties/PublicAccessBlockConfiguration/BlockPublicAcls", False, "may be public"),
    ("Resources/OutputBucketPolicy/Properties/Bucket", {"Ref": "InputBucket"}, "OutputBucket: can be read without"),
    ("Resources/InputBucket/Properties/NotificationConfiguration", {}, "tells EventBridge nothing"),
    (f"{_RULE}/EventPattern/detail/bucket/name", [{"Ref": "OutputBucket"}], "tells EventBridge nothing"),
    (f"{_RULE}/EventPattern/detail-type", ["Object Deleted"], "hears of other things"),
    (f"{_RULE}/Targets/0/Arn", {"Ref": "Transcribe"}, "Arn is no AWS::Batch::JobQueue"),
    (f"{_RULE}/Targets/0/BatchParameters/RetryStrategy", {"Attempts": 3}, "exit codes does not count"),
    (f"{_RULE}/Targets/0/InputTransformer/InputTemplate", '{"Parameters": {"key": <key>}}', "wants ['bucket', 'key']"),
    (f"{_RULE}/Targets/0/InputTransformer/InputPathsMap", {"bucket": "$.detail.bucket.name"}, "and gets ['bucket']"),
    (f"{_JOB}/ContainerProperties/Command", ["Ref::key", "Ref::bucket"], "wants ['key', 'bucket']"),
    (f"{_JOB}/RetryStrategy/Attempts", 1, "is tried 1 times"),
    (f"{_JOB}/RetryStrategy/EvaluateOnExit/1/OnExitCode", "3", "is tried again"),
    (f"{_JOB}/ContainerProperties/Environment/4", {"Name": "STENOD_CHUNKS_S", "Value": "1"}, "is no setting"),
    (f"{_JOB}/ContainerProperties/Environment/5/Value", "5", "EnableStreaming does not change"),
    ("Resources/Machines/Properties/ComputeResources/MinvCpus", 4, "some stay"),
    ("Resources/Machines/Properties/ComputeResources/Type", "EC2", "UseSpotInstances"),
    ("Resources/AgentConfig/Properties/Value", _ALL_METRICS, "nvidia_gpu are not watched"),
]  # fmt: skip


def test_the_template_holds_together() -> None:
    assert faults(load()) == []


@pytest.mark.parametrize(("path", "value", "says"), FAULTS, ids=lambda value: str(value)[-40:])
def test_a_fault_in_the_template_is_seen(path: str, value: Any, says: str) -> None:
    said = faults(_changed(path, value))
    assert any(says in fault for fault in said), said


def test_every_rule_sees_a_fault() -> None:
    seen = {rule for path, value, _ in FAULTS for rule in RULES if list(rule(_changed(path, value)))}
    assert seen == set(RULES)


def test_cfn_lint_sees_a_property_that_is_none_and_has_nothing_else_to_say(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(TEMPLATE.read_text().replace("MinvCpus: 0", "MinVcpus: 0"))
    run = subprocess.run(
        [CFN_LINT, "--format", "parseable", TEMPLATE, wrong], capture_output=True, text=True, check=False
    )
    found = run.stdout.splitlines()
    assert found
    assert [line for line in found if not line.startswith(f"{wrong}:") or "MinVcpus" not in line] == []


def _changed(path: str, value: Any) -> dict[str, Any]:
    template = load()
    *way, last = path.split("/")
    place: Any = template
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    place[int(last) if isinstance(place, list) else last] = value
    return template


def test_build_makes_each_image_of_what_is_there_and_prints_the_last(tmp_path: Path) -> None:
    calls = _tools(tmp_path, docker="", aws='case "$*" in *Account*) echo 123456789012 ;; *describe*) exit 254 ;; esac')
    run = subprocess.run(
        [AWS / "build", "speech", "1.2"], env=_env(tmp_path), capture_output=True, text=True, check=True
    )
    image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/speech:1.2"
    assert run.stdout == f"{image}\n"
    said = calls.read_text().splitlines()
    built = [line for line in said if line.startswith("docker build")]
    files = [line.partition("--file ")[2].split()[0] for line in built]
    assert files == [
        f"deploy/{name}Dockerfile" for name in ("docker/stenod.", "docker/models.", "docker/triton.", "aws/")
    ]
    assert all((PROJECT_ROOT / name).is_file() for name in files)
    for line, name in zip(built, files, strict=True):
        declared = set(re.findall(r"^ARG (\w+)", (PROJECT_ROOT / name).read_text(), re.MULTILINE))
        assert set(re.findall(r"--build-arg (\w+)", line)) <= declared
    assert said[-1] == f"docker push {image}"
    assert any("create-repository" in line and "IMMUTABLE" in line for line in said)


def test_deploy_gives_the_template_what_it_asks_for(tmp_path: Path) -> None:
    calls = _tools(tmp_path, aws="")
    arguments = ["speech", "image:1", "vpc-1", "subnet-1,subnet-2", "rtb-1", "UseSpotInstances=No"]
    subprocess.run([AWS / "deploy", *arguments], env=_env(tmp_path), check=True)
    said = calls.read_text()
    assert "--template-file pipeline.yaml --capabilities CAPABILITY_IAM" in said
    given = {word.partition("=")[0] for word in said.split() if "=" in word}
    parameters = load()["Parameters"]
    assert given == {"Image", "VpcId", "SubnetIds", "RouteTableIds", "UseSpotInstances"}
    assert given | {name for name, one in parameters.items() if "Default" in one} == parameters.keys()


def _tools(directory: Path, **scripts: str) -> Path:
    """Programs of these names, which note how they are called before they do what the script says."""
    calls = directory / "calls"
    calls.touch()
    for name, script in scripts.items():
        tool = directory / name
        tool.write_text(f'#!/bin/sh\necho "{name} $*" >> "{calls}"\n{script}\n')
        tool.chmod(0o755)
    return calls


def _env(directory: Path) -> dict[str, str]:
    assert shutil.which("bash")
    return {"PATH": f"{directory}:{os.environ['PATH']}", "AWS_REGION": "eu-central-1"}
