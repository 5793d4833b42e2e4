"""Torch's device of an instance. Imported only where torch computes."""

import torch

from stenod_models.device import Device, UnavailableDeviceError


def torch_device(device: Device) -> torch.device:
    """Raises UnavailableDeviceError: what is meant for a GPU never runs on a CPU in silence."""
    if device.kind == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UnavailableDeviceError(
            f"this model is placed on a GPU, but torch {torch.__version__} finds none: install a torch with CUDA and "
            "see that the driver reaches the container, or build the model with --device cpu"
        )
    found = torch.cuda.device_count()
    if device.index >= found:
        raise UnavailableDeviceError(f"this model is placed on GPU {device.index}, but torch sees {found}")
    torch.cuda.set_device(device.index)  # a graph is captured on the current device
    return torch.device("cuda", device.index)
