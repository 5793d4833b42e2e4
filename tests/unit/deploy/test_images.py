"""The Dockerfiles: hadolint, and that what they copy, call and ask for is there."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.manifest_environment import environ
from tests.support.manifests import build, workloads
from tests.support.speech import PROJECT_ROOT

DOCKERFILES = sorted(PROJECT_ROOT.glob("deploy/**/*Dockerfile"))
HADOLINT = PROJECT_ROOT / ".venv" / "bin" / "hadolint"


def _hadolint(*files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HADOLINT, *files], capture_output=True, text=True, check=False)


def test_hadolint_has_nothing_to_say() -> None:
    assert {path.name for path in DOCKERFILES} == {
        "stenod.Dockerfile",
        "triton.Dockerfile",
        "models.Dockerfile",
        "Dockerfile",
    }
    run = _hadolint(*DOCKERFILES)
    assert (run.returncode, run.stdout) == (0, "")


def test_hadolint_sees_an_image_without_a_version(tmp_path: Path) -> None:
    text = (PROJECT_ROOT / "deploy" / "docker" / "triton.Dockerfile").read_text()
    wrong = tmp_path / "Dockerfile"
    wrong.write_text(re.sub(r"^FROM (.+):.+$", r"FROM \1", text, flags=re.MULTILINE))
    assert "DL3006" in _hadolint(wrong).stdout


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.relative_to(PROJECT_ROOT)))
def test_what_an_image_copies_is_there(path: Path) -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", path.read_text(), re.MULTILINE)
    missing = [name for line in copied for name in line.split() if not (PROJECT_ROOT / name).exists()]
    assert missing == []
    assert copied or "COPY --from=" in path.read_text()


def test_the_locks_that_an_image_can_be_built_of_are_there() -> None:
    text = (PROJECT_ROOT / "deploy" / "docker" / "stenod.Dockerfile").read_text()
    locks = set(re.findall(r"requirements/(\w+)\.lock", text))
    assert locks == {"runtime", "cluster", "export"}
    cluster = (PROJECT_ROOT / "requirements" / "cluster.lock").read_text()
    assert re.search(r"^asyncpg==", cluster, re.MULTILINE)
    assert re.search(r"^opentelemetry-sdk==", cluster, re.MULTILINE)


def test_every_image_of_the_manifests_has_a_dockerfile_that_says_how_to_build_it() -> None:
    texts = " ".join(path.read_text() for path in DOCKERFILES)
    images = {
        container["image"].partition(":")[0]
        for overlay in ("cluster", "cluster-hpa", "embedded", "gpu")
        for workload in workloads(build(overlay))
        for container in workload.containers
    }
    assert images == {"stenod", "stenod-export", "stenod-triton"}
    assert {image for image in images if not re.search(rf"docker build -t {image}[: ]", texts)} == set()


def test_the_user_of_the_images_is_that_of_the_manifests() -> None:
    for overlay in ("cluster", "embedded"):
        for workload in workloads(build(overlay)):
            assert workload.pod["securityContext"]["runAsUser"] == 10001
    for name in ("stenod", "triton"):
        assert "--uid 10001" in (PROJECT_ROOT / "deploy" / "docker" / f"{name}.Dockerfile").read_text()


def test_the_shared_box_s_settings_are_settings() -> None:
    from stenod_server.settings import load  # noqa: PLC0415  as `stenod serve` does

    text = (PROJECT_ROOT / "deploy" / "docker" / "compose.shared.yaml").read_text()
    given = yaml.safe_load(text)["services"]["stenod"]["environment"]
    values = dict(one.partition("=")[::2] for one in given if one.startswith("STENOD_"))
    assert values.keys() == {"STENOD_DATABASE_URL", "STENOD_BLOB_URL"}
    with environ(values):
        assert load().database_url.startswith("postgresql://stenod:")
