"""Which recogniser takes a job: the one it names, or one that knows its language."""

from collections.abc import Mapping
from dataclasses import dataclass

from stenod_server.domain.job import JobConfig
from stenod_server.errors import EngineUnavailable, ModelNotFound
from stenod_server.ports import Clock, Engine, ModelProfile

AUTO = "auto"
FRESH_S = 5.0  # models come and go by hand: a submit need not ask Triton every time


@dataclass(frozen=True, slots=True)
class Route:
    """A recogniser, and the language in its own spelling."""

    profile: ModelProfile
    language: str


def choose(profiles: Mapping[str, ModelProfile], config: JobConfig, default_model: str) -> Route:
    """The model that is named, else the default one, else the first by name, that knows the language.

    Raises ModelNotFound.
    """
    if config.model:
        profile = profiles.get(config.model)
        language = _spelt(profile, config.language) if profile else None
        if profile is None:
            raise ModelNotFound(config.model)
        if language is None:
            raise ModelNotFound(f"{config.model} for language {config.language}")
        return Route(profile, language)
    for name in sorted(profiles, key=lambda name: (name != default_model, name)):
        language = _spelt(profiles[name], config.language)
        if language is not None:
            return Route(profiles[name], language)
    raise ModelNotFound(f"for language {config.language}")


def _spelt(profile: ModelProfile, language: str) -> str | None:
    """The model's code for a language, or None; `en-GB` is served by a model of `en`."""
    if language == AUTO:
        return AUTO
    codes = {code.lower(): code for code in profile.languages}
    return codes.get(language.lower()) or codes.get(language.lower().split("-")[0])


class Router:
    """Knows the loaded models, as of a few seconds ago."""

    def __init__(self, engine: Engine, clock: Clock, *, default_model: str) -> None:
        self._engine = engine
        self._clock = clock
        self._default_model = default_model
        self._profiles: Mapping[str, ModelProfile] | None = None
        self._asked_s = 0.0

    async def profiles(self) -> Mapping[str, ModelProfile]:
        """The loaded models, asked now. Raises EngineUnavailable."""
        self._profiles = await self._engine.profiles()
        self._asked_s = self._clock.monotonic_s()
        return self._profiles

    async def route(self, config: JobConfig) -> Route:
        """Raises ModelNotFound; EngineUnavailable where the recogniser has never answered."""
        stale = self._profiles is None or self._clock.monotonic_s() - self._asked_s > FRESH_S
        if not stale and self._profiles is not None:
            try:
                return choose(self._profiles, config, self._default_model)
            except ModelNotFound:
                pass  # it may have been loaded since
        try:
            await self.profiles()
        except EngineUnavailable:
            if self._profiles is None:
                raise
        return choose(self._profiles or {}, config, self._default_model)
