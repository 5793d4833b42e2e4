"""Every system and scenario that is measured, by family of models, in the order of the table."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Final

from bench.protocol import FILES_AT_ONCE

SERVICE: Final = "service"
BARE: Final = "bare"
DEFAULT_MODEL: Final = "moonshine-tiny-en"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the table; without a `label` it only gives figures.

    `against` names the service's scenario on the same audio, which the row's speed is compared with.
    """

    name: str
    label: str = ""
    against: str = "clips"


@dataclass(frozen=True, slots=True)
class System:
    """`module` is run as `bench.systems.<module>`, by the peers' interpreter where `is_peer`. `model` is a model of
    stenod's, or what a peer computes in. `against` is the service that the rows are compared with.
    """

    name: str
    module: str
    is_peer: bool
    description: str
    scenarios: tuple[Scenario, ...]
    model: str = ""
    against: str = SERVICE


_MOONSHINE: Final = (
    System(
        SERVICE,
        "service",
        is_peer=False,
        description="the service with its embedded Triton, through the gRPC API",
        scenarios=(
            Scenario("single"),
            Scenario("clips", f"stenod: {FILES_AT_ONCE} files at once"),
            Scenario("long", "stenod: one long file", against="long"),
            Scenario("submit"),
        ),
        model=DEFAULT_MODEL,
    ),
    System(
        BARE,
        "bare",
        is_peer=False,
        description="the same windows and recogniser in a plain loop, without Triton or service",
        scenarios=(
            Scenario("clips", "bare loop: the files"),
            Scenario("long", "bare loop: one long file", against="long"),
            Scenario("ready_windows", "bare loop: windows ready, no decoding"),
        ),
        model=DEFAULT_MODEL,
    ),
    System(
        "moonshine-native",
        "moonshine_native",
        is_peer=True,
        description="the native moonshine-voice library, tiny-en",
        scenarios=(Scenario("clips", "moonshine-voice: file by file"),),
    ),
    System(
        "moonshine-onnx",
        "moonshine_onnx",
        is_peer=True,
        description="the shipped moonshine graphs in ONNX Runtime, a naive loop",
        scenarios=(
            Scenario("clips", "moonshine graphs, naive: batch 1"),
            Scenario("batched", "moonshine graphs, naive: batch 8, sorted"),
        ),
    ),
    System(
        "faster-whisper",
        "faster_whisper",
        is_peer=True,
        description="faster-whisper, Whisper base int8, greedy",
        scenarios=(
            Scenario("clips", "faster-whisper base int8: file by file"),
            Scenario("batched", "faster-whisper base int8: one long file, batched", against="long"),
        ),
        model="int8",
    ),
)


def _ours(service: str, model: str, label: str) -> tuple[System, System]:
    """The service with a model, and the bare loop."""
    return (
        System(
            service,
            "service",
            is_peer=False,
            description=f"the service with {model}",
            scenarios=(
                Scenario("clips", f"stenod, {label}: {FILES_AT_ONCE} files at once"),
                Scenario("long", f"stenod, {label}: one long file", against="long"),
            ),
            model=model,
            against=service,
        ),
        System(
            f"{service}-bare",
            "bare",
            is_peer=False,
            description="its windows and recogniser in a plain loop",
            scenarios=(Scenario("clips", f"bare loop, {label}: the files"),),
            model=model,
            against=service,
        ),
    )


def _whisper(ours: str, theirs: str) -> tuple[System, ...]:
    """Whisper base, our precision beside faster-whisper's."""
    service = f"whisper-{ours}"
    return (
        *_ours(service, f"whisper-base-{ours}", f"base {ours}"),
        System(
            f"{service}-peer",
            "faster_whisper",
            is_peer=True,
            description=f"faster-whisper, Whisper base {theirs}, greedy",
            scenarios=(
                Scenario("clips", f"faster-whisper, base {theirs}: file by file"),
                Scenario("batched", f"faster-whisper, base {theirs}: one long file, batched", against="long"),
            ),
            model=theirs,
            against=service,
        ),
    )


_PARAKEET: Final = (
    *_ours("parakeet-fp32", "parakeet-random-fp32", "110M fp32, random weights"),
    *_ours("parakeet-int8", "parakeet-random-int8", "110M int8, random weights"),
    System(
        "parakeet-transformers",
        "parakeet_transformers",
        is_peer=False,
        description="transformers' generate() on the same weights, fp32",
        scenarios=(
            Scenario("clips", "transformers, 110M fp32: file by file"),
            Scenario("batched", "transformers, 110M fp32: batch 8, sorted"),
        ),
        against="parakeet-fp32",
    ),
)
FAMILIES: Final[Mapping[str, tuple[System, ...]]] = MappingProxyType(
    {
        "moonshine": _MOONSHINE,
        "whisper": (*_whisper("int8", "int8"), *_whisper("fp32", "float32")),
        "parakeet": _PARAKEET,
    }
)
SYSTEMS: Final = tuple(chain.from_iterable(FAMILIES.values()))
