"""Every system and scenario that is measured, in the order of the table."""

from dataclasses import dataclass
from typing import Final

SERVICE: Final = "service"
BARE: Final = "bare"


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
    """`module` is run as `bench.systems.<module>`, by the peers' interpreter where `is_peer`."""

    name: str
    module: str
    is_peer: bool
    description: str
    scenarios: tuple[Scenario, ...]


SYSTEMS: Final = (
    System(
        SERVICE,
        "service",
        is_peer=False,
        description="the service with its embedded Triton, through the gRPC API",
        scenarios=(
            Scenario("single"),
            Scenario("clips", "stenod: 16 files at once"),
            Scenario("long", "stenod: one long file", against="long"),
            Scenario("submit"),
        ),
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
    ),
)
