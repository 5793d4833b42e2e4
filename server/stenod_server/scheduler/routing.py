"""Which recogniser takes a job: the one it names, the one that the table of the settings has for its language and
operating point, or the first that says of itself that it serves them. Whoever it is must be able to do what the job
asks for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from stenod_server.domain import diarization_rules
from stenod_server.domain.diarization import DiarizationMode
from stenod_server.domain.job import JobConfig
from stenod_server.domain.transcript import Warning  # noqa: A004  the word the API uses
from stenod_server.errors import EngineUnavailable, ModelNotFound, OptionNotServed
from stenod_server.ports import Clock, Engine, ModelProfile, VoiceProfile
from stenod_server.recognition.language_choice import LanguageChoice
from stenod_server.scheduler import abilities, language_doubt

AUTO = "auto"
ANY = "*"
STANDARD = "standard"  # where nobody says which operating point
OPERATING_POINTS = (STANDARD, "enhanced")
FRESH_S = 5.0  # models come and go by hand: a submit need not ask Triton every time


@dataclass(frozen=True, slots=True)
class RoutingRule:
    """A row of the table. `language` is BCP-47, `auto` or `*`; `de` means `de-CH` too (RFC 4647, basic filtering).
    An `operating_point` of `*` means each.
    """

    language: str
    model: str
    operating_point: str = ANY

    def holds_for(self, config: JobConfig) -> bool:
        asked = config.operating_point or STANDARD
        return self.operating_point in {ANY, asked} and _is_within(config.language, self.language)


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """`rules` are asked in order and the first that holds decides. Of what none holds for, the models decide by their
    profiles: those of `preferred` first, then the others by name. `voices`: the preferred model of voices.
    """

    rules: Sequence[RoutingRule] = ()
    preferred: Sequence[str] = ()
    voices: str = ""

    @property
    def models(self) -> tuple[str, ...]:
        """Those that are named, in order, each once."""
        return tuple(dict.fromkeys((*self.preferred, *(rule.model for rule in self.rules))))


@dataclass(frozen=True, slots=True)
class Route:
    """A recogniser, and the language in its own spelling."""

    profile: ModelProfile
    language: str


def choose(profiles: Mapping[str, ModelProfile], config: JobConfig, table: RoutingTable) -> Route:
    """The model that is named, else the one of the table, else the first that serves what is asked for.

    A row, or a model, that cannot do what the job asks for is passed over where another one can. Raises ModelNotFound
    and OptionNotServed, which tell what there is.
    """
    return _choice(profiles, heeded(profiles, config, table), table)


def choose_voices(profiles: Mapping[str, VoiceProfile], table: RoutingTable) -> VoiceProfile:
    """The model of voices that hears who speaks: the preferred one, else the first by name. Raises OptionNotServed."""
    if not profiles:
        says = "telling speakers apart takes a model of voices: `stenod models add voices`"
        raise OptionNotServed(diarization_rules.FIELDS["mode"], says, ())
    return profiles[table.voices if table.voices in profiles else min(profiles)]


def heeded(profiles: Mapping[str, ModelProfile], config: JobConfig, table: RoutingTable) -> JobConfig:
    """The job without the languages it expects, and with a warning, where they are a hint and nobody takes it so."""
    if not config.expected_hint:
        return config
    try:
        _choice(profiles, config, table)
    except (ModelNotFound, OptionNotServed):
        says = f"{config.expected_hint}: nobody takes the job who speaks {' or '.join(config.expected_languages)}"
        warnings = (*config.warnings, Warning(abilities.WITHOUT_EFFECT, says))
        return replace(config, expected_languages=(), expected_hint="", warnings=warnings)
    return config


def _choice(profiles: Mapping[str, ModelProfile], config: JobConfig, table: RoutingTable) -> Route:
    routes = _routes(profiles, config, table)
    first = next(routes, None)
    if first is None:
        raise _not_found(profiles, config)
    able = (route for route in chain((first,), routes) if abilities.serves(route.profile, config.asked_of_recogniser))
    route = next(able, first)
    abilities.check(route.profile, config.asked_of_recogniser, profiles)
    return route


def listener(profiles: Mapping[str, ModelProfile], config: JobConfig, table: RoutingTable) -> Route | None:
    """Who finds out the language of a job that names none: its recogniser itself where that can, else the one that can
    tell the most languages. None: the language is named, nobody can tell, or a row of `auto` takes the job as it is.
    """
    if config.language != AUTO or any(rule.language == AUTO and rule.holds_for(config) for rule in table.rules):
        return None
    config = heeded(profiles, config, table)
    able = {name: one for name, one in profiles.items() if one.identifies_languages and _spelt(one, config)}
    own = choose(profiles, config, table).profile
    if own.model in able:
        return Route(own, AUTO)
    if config.model or not able:
        return None
    return Route(max((able[name] for name in sorted(able)), key=lambda profile: len(profile.languages)), AUTO)


def settled(
    profiles: Mapping[str, ModelProfile], config: JobConfig, table: RoutingTable, heard: LanguageChoice
) -> Route:
    """Where the job goes once it was listened to: as if it had named the language. Where that is not certain, or spoken
    by nobody else, to who listened, who tells the language window by window, unless the job has another wish then. As
    `choose`; raises LanguageUncertain.
    """
    language_doubt.check(config, heard)
    if config.default_language and not heard.is_certain:
        return choose(profiles, config.naming(config.default_language), table)
    route = listener(profiles, config, table)
    if route is None or not heard.language:
        return choose(profiles, config, table)
    if not heard.is_certain:
        return route if abilities.serves(route.profile, config.asked_of_recogniser) else choose(profiles, config, table)
    try:
        return choose(profiles, config.naming(heard.language), table)
    except ModelNotFound:
        abilities.check(route.profile, config.asked_of_recogniser, profiles)
        return Route(route.profile, heard.language)


def _routes(profiles: Mapping[str, ModelProfile], config: JobConfig, table: RoutingTable) -> Iterator[Route]:
    """Those that speak the job's language and serve its operating point, the one to be preferred first.

    Raises ModelNotFound where a model is named, by the job or by the first row that holds, and does not. The rows after
    it take what it cannot do, where they are able to.
    """
    if config.model:
        yield _named(profiles, config.model, config)
        return
    # The operator's word counts, whatever the profile says of operating points.
    rows = [rule.model for rule in table.rules if rule.holds_for(config)]
    if rows:
        yield _speaking(profiles, rows[0], config)
    for name in rows[1:]:
        if name in profiles and (language := _spelt(profiles[name], config)):
            yield Route(profiles[name], language)
    for name in _by_preference(profiles, table.preferred):
        language = _spelt(profiles[name], config)
        if language is not None and _serves(profiles[name], config.operating_point):
            yield Route(profiles[name], language)


def _named(profiles: Mapping[str, ModelProfile], name: str, config: JobConfig) -> Route:
    route = _speaking(profiles, name, config)
    if not _serves(route.profile, config.operating_point):
        raise _not_found(profiles, config, name)
    return route


def _speaking(profiles: Mapping[str, ModelProfile], name: str, config: JobConfig) -> Route:
    profile = profiles.get(name)
    if profile is None:
        raise ModelNotFound(name, _there_is(profiles))
    language = _spelt(profile, config)
    if language is None:
        raise _not_found(profiles, config, name)
    return Route(profile, language)


def _by_preference(profiles: Mapping[str, ModelProfile], preferred: Sequence[str]) -> list[str]:
    first = [name for name in preferred if name in profiles]
    return [*first, *sorted(profiles.keys() - set(first))]


def _spelt(profile: ModelProfile, config: JobConfig) -> str | None:
    """The model's code for the job's language, or None. For `auto` the model must speak one that can be expected."""
    if config.language != AUTO:
        return _code(profile, config.language)
    expected = config.expected_languages
    return AUTO if not expected or any(_code(profile, language) for language in expected) else None


def _code(profile: ModelProfile, language: str) -> str | None:
    """`en-GB` is served by a model of `en`."""
    codes = {code.lower(): code for code in profile.languages}
    return codes.get(language.lower()) or codes.get(language.lower().split("-")[0])


def _serves(profile: ModelProfile, operating_point: str) -> bool:
    return not operating_point or operating_point in profile.operating_points


def _is_within(language: str, wider: str) -> bool:
    asked, row = language.lower(), wider.lower()
    return row in {ANY, asked} or asked.startswith(f"{row}-")


def _not_found(profiles: Mapping[str, ModelProfile], config: JobConfig, name: str = "") -> ModelNotFound:
    asked = f"for language {' or '.join(config.expected_languages) or config.language}"
    if config.operating_point:
        asked += f" and operating point {config.operating_point}"
    return ModelNotFound(f"{name} {asked}".strip(), _there_is(profiles))


def _there_is(profiles: Mapping[str, ModelProfile]) -> Mapping[str, str]:
    loaded = profiles.values()
    there_is = {
        "models": profiles.keys(),
        "languages": {code for profile in loaded for code in profile.languages},
        "operating_points": {point for profile in loaded for point in profile.operating_points},
    }
    return {kind: ", ".join(sorted(values)) or "none" for kind, values in there_is.items()}


class Router:
    """Knows the loaded models, as of a few seconds ago."""

    def __init__(self, engine: Engine, clock: Clock, table: RoutingTable) -> None:
        self._engine = engine
        self._clock = clock
        self._table = table
        self._profiles: Mapping[str, ModelProfile] | None = None
        self._voice_profiles: Mapping[str, VoiceProfile] | None = None
        self._asked_s = 0.0

    async def profiles(self) -> Mapping[str, ModelProfile]:
        """The loaded models, asked now. Raises EngineUnavailable."""
        self._profiles = await self._engine.profiles()
        self._asked_s = self._clock.monotonic_s()
        return self._profiles

    async def recent_profiles(self) -> Mapping[str, ModelProfile]:
        """The loaded models, as of a few seconds ago; what `can_run` goes by. Raises EngineUnavailable where the
        recogniser has never answered.
        """
        if self._profiles is None or self._clock.monotonic_s() - self._asked_s > FRESH_S:
            try:
                self._voice_profiles = await self._engine.voice_profiles()
                return await self.profiles()
            except EngineUnavailable:
                if self._profiles is None:
                    raise
        return self._profiles

    def recent_voices(self) -> Mapping[str, VoiceProfile]:
        """The models of voices, as of when somebody last asked for anything."""
        return self._voice_profiles or {}

    def can_run(self, config: JobConfig) -> bool:
        """Whether the loaded models can do a job now, as far as is known."""
        try:
            choose(self._profiles or {}, config, self._table)
            if config.diarization.mode is DiarizationMode.SPEAKER:
                choose_voices(self._voice_profiles or {}, self._table)
        except (ModelNotFound, OptionNotServed):
            return False
        return self._engine.is_ready(config.model)

    def operating_points(self) -> frozenset[str]:
        """Those that something serves, as of when the models were last asked."""
        of_rules = {rule.operating_point for rule in self._table.rules} - {ANY}
        return frozenset(of_rules.union(*(profile.operating_points for profile in (self._profiles or {}).values())))

    async def voices(self, config: JobConfig) -> VoiceProfile | None:
        """Who hears the voices of a job, where it is to tell speakers apart. Raises OptionNotServed; EngineUnavailable
        as `route`.
        """
        if config.diarization.mode is not DiarizationMode.SPEAKER:
            return None
        try:
            self._voice_profiles = await self._engine.voice_profiles()
        except EngineUnavailable:
            if self._voice_profiles is None:
                raise
        return choose_voices(self._voice_profiles, self._table)

    async def listener(self, config: JobConfig) -> Route | None:
        """Who finds out the job's language first, if anybody. As `route`."""
        await self.route(config)
        return listener(self._profiles or {}, config, self._table)

    def heeded(self, config: JobConfig) -> JobConfig:
        """The job with those of its hints about its language that count."""
        return heeded(self._profiles or {}, config, self._table)

    def settled(self, config: JobConfig, heard: LanguageChoice) -> Route:
        """The route of a job that was listened to."""
        return settled(self._profiles or {}, config, self._table, heard)

    async def route(self, config: JobConfig) -> Route:
        """Raises ModelNotFound, OptionNotServed; EngineUnavailable where the recogniser has never answered."""
        stale = self._profiles is None or self._clock.monotonic_s() - self._asked_s > FRESH_S
        if not stale and self._profiles is not None:
            try:
                return choose(self._profiles, config, self._table)
            except (ModelNotFound, OptionNotServed):
                pass  # it, or one that can, may have been loaded since
        try:
            await self.profiles()
        except EngineUnavailable:
            if self._profiles is None:
                raise
        return choose(self._profiles or {}, config, self._table)
