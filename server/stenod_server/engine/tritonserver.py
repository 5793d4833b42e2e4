"""The tritonserver of the nvidia-pytriton wheel: finds it, says why it cannot run here, and builds its command line."""

import importlib.metadata
import importlib.util
import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from stenod_server.errors import TritonFailed

# Up to 2.59 the Python backend had holes that could be reached over these protocols (NVIDIA's security bulletins):
# Triton listens on loopback alone, and lets nobody do what recognition does not need.
RESTRICTED_PROTOCOLS: Final = "shared-memory,model-repository,logging,trace"
# A call to these must carry this header with this value. HTTP/2 knows no capitals in the names of headers, and gRPC
# ends a call that tries: a door without a key, where a secret would stand in a command line that every user can read.
_DOOR: Final = "NOBODY=closed"
_MIN_GLIBC: Final = (2, 35)
_ELSEWHERE: Final = "or run Triton elsewhere and pass --triton-url"


@dataclass(frozen=True, slots=True)
class Host:
    """What decides whether the wheel's tritonserver can run: an argument, so that the refusals can be tested.

    `package_dir` is pytriton's, None where nvidia-pytriton is not installed; `numpy` is "" where numpy is not.
    """

    package_dir: Path | None
    python: tuple[int, int]
    glibc: tuple[int, int] | None
    numpy: str

    @classmethod
    def here(cls) -> Self:
        spec = importlib.util.find_spec("pytriton")
        try:
            numpy = importlib.metadata.version("numpy")
        except importlib.metadata.PackageNotFoundError:
            numpy = ""
        package_dir = Path(spec.origin).parent if spec and spec.origin else None
        return cls(package_dir, sys.version_info[:2], _glibc(), numpy)


@dataclass(frozen=True, slots=True)
class Installation:
    binary: Path
    libraries: Path
    backend_files: tuple[Path, ...]


def locate(host: Host) -> Installation:
    """Raises TritonFailed that says what to do."""
    if host.package_dir is None:
        raise TritonFailed(f"nvidia-pytriton is not installed: pip install 'stenod[embedded]' {_ELSEWHERE}")
    if host.glibc is None or host.glibc < _MIN_GLIBC:
        have = "another C library" if host.glibc is None else f"glibc {host.glibc[0]}.{host.glibc[1]}"
        message = (
            f"the embedded Triton needs glibc 2.35 (Debian 12, Ubuntu 22.04), here is {have}: use those {_ELSEWHERE}"
        )
        raise TritonFailed(message)
    if int(host.numpy.partition(".")[0] or 0) != 1:
        found = host.numpy or "none"
        raise TritonFailed(
            f"the embedded Triton needs numpy 1.26 (with numpy 2 its Python stub gives empty tensors), found {found}: "
            f"pip install 'numpy>=1.26,<2' {_ELSEWHERE}"
        )
    server = host.package_dir / "tritonserver"
    stubs = server / "python_backend_stubs"
    stub = stubs / "{}.{}".format(*host.python) / "triton_python_backend_stub"
    if not stub.is_file():
        there = ", ".join(sorted(path.name for path in stubs.glob("*"))) or "none"
        raise TritonFailed(
            f"nvidia-pytriton has no stub for Python {host.python[0]}.{host.python[1]} (it has {there}): "
            f"use one of these {_ELSEWHERE}"
        )
    backend = server / "backends" / "python"
    return Installation(
        binary=server / "bin" / "tritonserver",
        libraries=host.package_dir.parent / "nvidia_pytriton.libs",
        backend_files=(backend / "libtriton_python.so", backend / "triton_python_backend_utils.py", stub),
    )


def check_models(models_dir: Path, models: Sequence[str]) -> None:
    """Raises TritonFailed naming the models that `models_dir` lacks."""
    missing = [model for model in models if not (models_dir / model / "config.pbtxt").is_file()]
    if missing or not models:
        wanted = ", ".join(missing) or "any model"
        add = "; ".join(f"stenod models add {model}" for model in missing) or "stenod models add moonshine-tiny-en"
        raise TritonFailed(f"{models_dir} does not have {wanted}: run {add}")


def link_backend(installation: Installation, directory: Path) -> None:
    """Fill `directory` anew with the Python backend beside the right stub; the installed wheel is never changed."""
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "python").mkdir(parents=True)
    for source in installation.backend_files:
        (directory / "python" / source.name).symlink_to(source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One start of tritonserver. `server_id` is random, and names the process and its shared memory. `metrics_port` 0
    serves no metrics: what stenod needs comes over gRPC.
    """

    server_id: str
    port: int
    models_dir: Path
    models: tuple[str, ...]
    backends_dir: Path
    grace_s: float
    metrics_port: int = 0
    restricted_protocols: str = RESTRICTED_PROTOCOLS

    def command(self, binary: Path) -> list[str]:
        metrics = (
            ["--allow-metrics=true", "--metrics-address=127.0.0.1", f"--metrics-port={self.metrics_port}"]
            if self.metrics_port
            else ["--allow-metrics=false"]
        )
        return [
            str(binary),
            f"--id={self.server_id}",
            f"--model-repository={self.models_dir}",
            f"--backend-directory={self.backends_dir}",
            "--model-control-mode=explicit",
            *(f"--load-model={model}" for model in self.models),
            "--exit-on-error=true",
            "--strict-readiness=true",
            "--disable-auto-complete-config",
            "--allow-http=false",
            "--grpc-address=127.0.0.1",
            f"--grpc-port={self.port}",
            f"--grpc-restricted-protocol={self.restricted_protocols}:{_DOOR}",
            *metrics,
            # Leftovers of a kill are then found by name, and two Tritons never share a region.
            f"--backend-config=python,shm-region-prefix-name={self.server_id}",
            f"--exit-timeout-secs={max(1, round(self.grace_s))}",
        ]


def environment(installation: Installation, inherited: Mapping[str, str]) -> dict[str, str]:
    """The stub runs the first `python3` on PATH and needs its libpython; both must be those of this interpreter."""
    libraries = [str(installation.libraries), str(sysconfig.get_config_var("LIBDIR"))]
    if inherited.get("LD_LIBRARY_PATH"):
        libraries.append(inherited["LD_LIBRARY_PATH"])
    return {
        **inherited,
        "LD_LIBRARY_PATH": ":".join(libraries),
        "PATH": f"{Path(sys.prefix) / 'bin'}:{inherited.get('PATH', os.defpath)}",
    }


def _glibc() -> tuple[int, int] | None:
    try:
        name, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
        major, minor = version.split(".")[:2]
    except (ValueError, OSError):
        return None
    return (int(major), int(minor)) if name == "glibc" else None
