import dataclasses
import sys
from pathlib import Path

import pytest

from stenod_server.engine.tritonserver import (
    Host,
    Installation,
    Launch,
    check_models,
    environment,
    link_backend,
    locate,
)
from stenod_server.errors import TritonFailed


@pytest.fixture
def host(tmp_path: Path) -> Host:
    stub = tmp_path / "pytriton" / "tritonserver" / "python_backend_stubs" / "3.11" / "triton_python_backend_stub"
    stub.parent.mkdir(parents=True)
    stub.touch()
    return Host(package_dir=tmp_path / "pytriton", python=(3, 11), glibc=(2, 36), numpy="1.26.4")


def test_an_installation_is_found_beside_its_libraries(host: Host, tmp_path: Path) -> None:
    found = locate(host)
    assert found.binary == tmp_path / "pytriton" / "tritonserver" / "bin" / "tritonserver"
    assert found.libraries == tmp_path / "nvidia_pytriton.libs"
    assert {path.name for path in found.backend_files} == {
        "libtriton_python.so",
        "triton_python_backend_utils.py",
        "triton_python_backend_stub",
    }


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ({"package_dir": None}, r"pip install 'stenod\[embedded\]' or .*--triton-url"),
        ({"glibc": (2, 34)}, r"needs glibc 2.35 .* here is glibc 2.34.*--triton-url"),
        ({"glibc": None}, r"needs glibc 2.35 .* another C library.*--triton-url"),
        ({"numpy": "2.1.0"}, r"found 2.1.0: pip install 'numpy>=1.26,<2'"),
        ({"numpy": ""}, r"found none: pip install 'numpy>=1.26,<2'"),
        ({"python": (3, 14)}, r"no stub for Python 3.14 \(it has 3.11\).*--triton-url"),
    ],
)
def test_a_host_that_cannot_run_it_is_told_what_to_do(host: Host, change: dict[str, object], advice: str) -> None:
    with pytest.raises(TritonFailed, match=advice):
        locate(dataclasses.replace(host, **change))  # type: ignore[arg-type]


def test_a_missing_model_is_named_with_the_command_that_adds_it(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "config.pbtxt").touch()
    check_models(tmp_path, ["here"])
    with pytest.raises(TritonFailed, match="does not have gone: run stenod models add gone"):
        check_models(tmp_path, ["here", "gone"])
    with pytest.raises(TritonFailed, match="run stenod models add moonshine-tiny-en"):
        check_models(tmp_path, [])


def _launch(**changes: object) -> Launch:
    launch = Launch(
        server_id="stenod-0123",
        port=20_001,
        models_dir=Path("/m"),
        models=("a", "b"),
        backends_dir=Path("/b"),
        grace_s=2.6,
    )
    return dataclasses.replace(launch, **changes)  # type: ignore[arg-type]


def test_the_command_line_loads_the_models_and_shuts_the_doors() -> None:
    command = _launch().command(Path("/t/tritonserver"))
    assert command[0] == "/t/tritonserver"
    assert {
        "--load-model=a",
        "--load-model=b",
        "--model-control-mode=explicit",
        "--exit-on-error=true",
        "--strict-readiness=true",
        "--allow-http=false",
        "--allow-metrics=false",
        "--grpc-address=127.0.0.1",
        "--grpc-port=20001",
        "--grpc-restricted-protocol=shared-memory,model-repository,logging,trace:NOBODY=closed",
        "--exit-timeout-secs=3",
    } <= set(command)


def test_metrics_are_served_on_loopback_alone() -> None:
    command = _launch(metrics_port=20_002).command(Path("/t"))
    assert {"--allow-metrics=true", "--metrics-address=127.0.0.1", "--metrics-port=20002"} <= set(command)


def test_the_stub_finds_this_interpreter_first() -> None:
    installation = Installation(Path("/t"), Path("/libs"), ())
    made = environment(installation, {"PATH": "/usr/bin", "LD_LIBRARY_PATH": "/own", "A": "b"})
    assert made["PATH"] == f"{sys.prefix}/bin:/usr/bin"
    assert made["LD_LIBRARY_PATH"].startswith("/libs:")
    assert made["LD_LIBRARY_PATH"].endswith(":/own")
    assert made["A"] == "b"


def test_the_backend_directory_is_made_anew_of_links(host: Host, tmp_path: Path) -> None:
    directory = tmp_path / "backends"
    (directory / "python").mkdir(parents=True)
    (directory / "python" / "stale").touch()
    link_backend(locate(host), directory)
    links = list((directory / "python").iterdir())
    assert len(links) == 3
    assert all(link.is_symlink() for link in links)
