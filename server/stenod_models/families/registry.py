"""From the family named in a profile to a loaded recogniser. Families are imported only when asked for."""

from pathlib import Path

from stenod_models.contract import Profile, VoicesProfile
from stenod_models.device import CPU, Device, UnavailableDeviceError
from stenod_models.recogniser import Recogniser
from stenod_models.voices import VoicesModel


def load_recogniser(profile: Profile, artefacts: Path, *, threads: int, device: Device = CPU) -> Recogniser:
    """`artefacts` is the version directory of a model repository entry.

    Raises ValueError for an unknown family, UnavailableDeviceError where it cannot run on that device.
    """
    if profile.family == "moonshine":
        if device.kind != "cpu":
            raise UnavailableDeviceError(f"{profile.model} runs on a CPU alone: give its instance_group KIND_CPU")
        from stenod_models.families.moonshine.runtime import MoonshineRecogniser  # noqa: PLC0415 - one family is loaded

        return MoonshineRecogniser(artefacts, profile, threads=threads)
    if profile.family == "parakeet":
        from stenod_models.families.parakeet.runtime import ParakeetRecogniser  # noqa: PLC0415

        return ParakeetRecogniser.load(artefacts, profile, threads=threads, device=device)
    if profile.family == "whisper":
        from stenod_models.families.whisper.lanes import load_whisper  # noqa: PLC0415

        return load_whisper(artefacts, profile, threads=threads, device=device)
    raise ValueError(f"family {profile.family!r} of {profile.model} is not known")


def load_voices(profile: VoicesProfile, artefacts: Path, *, threads: int, device: Device = CPU) -> VoicesModel:
    """A model of voices; otherwise as `load_recogniser`."""
    if profile.family != "voices":
        raise ValueError(f"family {profile.family!r} of {profile.model} is not known")
    if device.kind != "cpu":
        raise UnavailableDeviceError(f"{profile.model} runs on a CPU alone: give its instance_group KIND_CPU")
    from stenod_models.families.voices.runtime import VoicesRuntime  # noqa: PLC0415 - one family is loaded

    return VoicesRuntime(artefacts, profile, threads=threads)
