"""The features and the two networks of a built Whisper, by the runtime that it was built for."""

from pathlib import Path
from typing import cast

from stenod_models.device import CPU, Device
from stenod_models.families.whisper.architecture import WEIGHTS, Architecture
from stenod_models.families.whisper.features import LogMel
from stenod_models.families.whisper.sessions import Decoder, Encoder
from stenod_models.onnx_sessions import open_session


def load_networks(
    artefacts: Path, arch: Architecture, *, threads: int, rows: int, device: Device = CPU
) -> tuple[LogMel, Encoder, Decoder]:
    """From an entry's version directory; `rows` is the largest batch. Raises UnavailableDeviceError."""
    if (artefacts / WEIGHTS).is_file():
        from stenod_models.families.whisper import torch_sessions  # noqa: PLC0415 - torch is heavy

        return cast("tuple[LogMel, Encoder, Decoder]", torch_sessions.load(artefacts, arch, device=device, rows=rows))
    return (
        LogMel(arch.mels, 2 * arch.source_positions),
        Encoder(open_session(artefacts / "encoder.onnx", threads, device), device),
        Decoder(open_session(artefacts / "decoder.onnx", threads, device), arch, device),
    )
