from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from stenod_server.domain.job import JobConfig, Media, RemoteMedia
from stenod_server.engine.fake import FAKE_PROFILE, FakeEngine
from stenod_server.errors import EngineUnavailable, ModelNotFound
from stenod_server.ports import ModelProfile
from stenod_server.scheduler.fingerprint import fingerprint
from stenod_server.scheduler.routing import FRESH_S, Router, RoutingRule, RoutingTable, choose
from tests.support.builders import FakeClock

ENGLISH = replace(FAKE_PROFILE, model="english", languages=("en",))
GERMAN = replace(FAKE_PROFILE, model="german", languages=("de", "de-CH"))
MANY = replace(FAKE_PROFILE, model="many", languages=("de", "en", "fr"))
TABLE = RoutingTable(preferred=("english",))
LOADED = {profile.model: profile for profile in (ENGLISH, GERMAN, MANY)}


@pytest.mark.parametrize(
    ("language", "model", "default", "expected"),
    [
        ("en", "", "english", ("english", "en")),
        ("auto", "", "english", ("english", "auto")),
        ("de", "", "english", ("german", "de")),  # the default does not know it: the first by name that does
        ("fr", "", "english", ("many", "fr")),
        ("en-GB", "", "english", ("english", "en")),
        ("de-ch", "", "english", ("german", "de-CH")),
        ("EN", "many", "english", ("many", "en")),
        ("auto", "", "absent", ("english", "auto")),
    ],
)
def test_a_job_goes_to_a_model_that_knows_its_language(
    language: str, model: str, default: str, expected: tuple[str, str]
) -> None:
    route = choose(LOADED, JobConfig(language=language, model=model), RoutingTable(preferred=(default,)))
    assert (route.profile.model, route.language) == expected


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (JobConfig(model="absent"), "'absent'"),
        (JobConfig(language="xx"), "xx"),
        (JobConfig(model="english", language="fr"), "english for language fr"),
    ],
)
def test_what_nobody_serves_is_not_found(config: JobConfig, named: str) -> None:
    with pytest.raises(ModelNotFound, match=named):
        choose(LOADED, config, TABLE)
    with pytest.raises(ModelNotFound):
        choose({}, config, TABLE)


ENHANCED = replace(FAKE_PROFILE, model="enhanced", languages=("en", "fr"), operating_points=("enhanced",))
RULES = RoutingTable(
    rules=(
        RoutingRule("de-CH", "german"),
        RoutingRule("de", "many"),
        RoutingRule("en", "many", "enhanced"),
        RoutingRule("fr", "many", "standard"),
        RoutingRule("it", "gone"),
        RoutingRule("auto", "many"),
    ),
    preferred=("german", "english"),
)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (JobConfig(language="de"), "many"),
        (JobConfig(language="de-AT"), "many"),  # the row of a language is of its regions, too
        (JobConfig(language="de-ch"), "german"),  # the first row that holds
        (JobConfig(language="en"), "english"),  # its row is of another operating point: by the profiles
        (JobConfig(language="en", operating_point="enhanced"), "many"),  # whatever its profile says
        (JobConfig(language="fr"), "many"),  # nobody's wish is standard
        (JobConfig(language="auto"), "many"),
        (JobConfig(language="de", model="german"), "german"),  # a name goes before the table
    ],
)
def test_the_table_goes_before_what_the_models_say(config: JobConfig, expected: str) -> None:
    assert choose(LOADED, config, RULES).profile.model == expected


def test_a_job_of_expected_languages_goes_to_who_speaks_one_of_them() -> None:
    def expecting(*codes: str) -> JobConfig:
        return JobConfig(expected_languages=codes)

    chosen = {
        codes: choose(LOADED, expecting(*codes), TABLE).profile.model for codes in (("de", "it"), ("fr",), ("en",))
    }
    assert chosen == {("de", "it"): "german", ("fr",): "many", ("en",): "english"}
    with pytest.raises(ModelNotFound, match="for language it or ja' does not exist; there are models"):
        choose(LOADED, expecting("it", "ja"), TABLE)


def test_a_row_of_any_language_is_for_what_no_row_before_it_is_for() -> None:
    table = RoutingTable(rules=(RoutingRule("en", "english"), RoutingRule("*", "many")), preferred=("german",))
    chosen = {code: choose(LOADED, JobConfig(language=code), table).profile.model for code in ("en", "de", "auto")}
    assert chosen == {"en": "english", "de": "many", "auto": "many"}


def test_the_models_are_preferred_in_their_order_then_by_name() -> None:
    table = RoutingTable(preferred=("many", "german"))
    chosen = [choose(LOADED, JobConfig(language=code), table).profile.model for code in ("de", "en", "fr")]
    assert chosen == ["many", "many", "many"]
    assert choose(LOADED, JobConfig(language="de-CH"), RoutingTable()).profile.model == "german"
    assert RULES.models == ("german", "english", "many", "gone")


def test_an_operating_point_is_served_by_a_model_that_has_it() -> None:
    loaded = {**LOADED, "enhanced": ENHANCED}
    assert choose(loaded, JobConfig(language="en", operating_point="enhanced"), TABLE).profile is ENHANCED
    assert choose(loaded, JobConfig(language="en", operating_point="standard"), TABLE).profile is ENGLISH
    for config in (
        JobConfig(language="de", operating_point="enhanced"),
        JobConfig(language="en", operating_point="enhanced", model="english"),
        JobConfig(language="en", operating_point="standard", model="enhanced"),
    ):
        with pytest.raises(ModelNotFound, match=f"for language {config.language} and operating point"):
            choose(loaded, config, TABLE)


@pytest.mark.parametrize(
    "config",
    [
        JobConfig(model="absent"),
        JobConfig(language="xx"),
        JobConfig(language="fr", model="german"),
        JobConfig(language="it"),  # a row decides although its model is away: no other takes its place in silence
        JobConfig(language="en", operating_point="fast"),
    ],
)
def test_a_refusal_tells_what_there_is(config: JobConfig) -> None:
    with pytest.raises(ModelNotFound) as refused:
        choose(LOADED, config, RULES)
    there_is = "models: english, german, many; languages: de, de-CH, en, fr; operating points: standard"
    assert refused.value.message.endswith(f"does not exist; there are {there_is}")
    assert refused.value.metadata["languages"] == "de, de-CH, en, fr"
    with pytest.raises(ModelNotFound, match="there are models: none; languages: none"):
        choose({}, config, RULES)


class CountingEngine(FakeEngine):
    asked = 0

    async def profiles(self) -> Mapping[str, ModelProfile]:
        self.asked += 1
        return await super().profiles()


async def test_the_models_are_not_asked_for_with_every_job() -> None:
    clock, engine = FakeClock(), CountingEngine([ENGLISH])
    router = Router(engine, clock, TABLE)
    for _ in range(3):
        await router.route(JobConfig(language="en"))
    assert engine.asked == 1
    clock.advance(FRESH_S + 1)
    await router.route(JobConfig(language="en"))
    assert engine.asked == 2


async def test_a_model_that_was_just_loaded_is_found() -> None:
    engine = FakeEngine([ENGLISH])
    router = Router(engine, FakeClock(), TABLE)
    await router.route(JobConfig(language="en"))
    engine._profiles["german"] = GERMAN
    assert (await router.route(JobConfig(language="de"))).profile is GERMAN


async def test_what_was_known_serves_while_the_recogniser_is_away() -> None:
    clock, engine = FakeClock(), FakeEngine([ENGLISH])
    router = Router(engine, clock, TABLE)
    await router.route(JobConfig(language="en"))
    await engine.close()
    clock.advance(60)
    assert (await router.route(JobConfig(language="en"))).profile is ENGLISH
    with pytest.raises(EngineUnavailable):
        await Router(engine, clock, TABLE).route(JobConfig(language="en"))


def test_the_fingerprint_is_of_content_and_configuration() -> None:
    config = JobConfig(language="en", tags=("a",), ttl=timedelta(hours=1))
    media = Media(key="media/a", sha256="00")
    assert fingerprint(media, config) == fingerprint(replace(media, key="media/b"), replace(config))
    others = [replace(config, ttl=timedelta(hours=2)), replace(config, priority=1), replace(config, tags=("b",))]
    remote = RemoteMedia(uri="https://example.org/a.mp3", headers=(("authorization", "one"),))
    elsewhere = [
        replace(media, sha256="01"),
        Media(key="", remote=remote),
        Media(key="", remote=replace(remote, uri="https://example.org/b.mp3")),
    ]
    seen = {fingerprint(media, c) for c in [config, *others]} | {fingerprint(m, config) for m in elsewhere}
    assert len(seen) == 7
    # Credentials change from one try to the next; the recording does not.
    other_key = Media(key="", remote=replace(remote, headers=(("authorization", "two"),)))
    assert fingerprint(other_key, config) in seen
