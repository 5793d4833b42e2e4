"""What a job asks of the recogniser decides who takes it, and is honoured, refused, or warned of."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stenod_server.domain.decoding import Decoding, Hint, Option, Task, VocabularyEntry
from stenod_server.domain.formatting import Formatting
from stenod_server.domain.job import JobConfig, JobState
from stenod_server.engine.fake import FAKE_PROFILE, FakeEngine
from stenod_server.errors import ModelNotFound, OptionNotServed
from stenod_server.ports import ModelProfile
from stenod_server.recognition.language_choice import LanguageChoice
from stenod_server.scheduler.abilities import FIELDS, honoured, warnings, warnings_of_text
from stenod_server.scheduler.routing import Router, RoutingRule, RoutingTable, choose, heeded, listener, settled
from tests.support.builders import FakeClock
from tests.unit.scheduler.rig import TENANT, open_rig

PLAIN = replace(FAKE_PROFILE, model="plain", languages=("de", "en"), takes_mark_bias=False)
WORDS = replace(PLAIN, model="words", languages=("en",), takes_hotwords=True, max_beam_size=4)
ABLE = replace(
    FAKE_PROFILE,
    model="able",
    languages=("de", "en", "fr"),
    tasks=("transcribe", "translate"),
    takes_hotwords=True,
    takes_prompt=True,
    takes_mark_bias=True,
    max_beam_size=8,
)
LOADED = {profile.model: profile for profile in (PLAIN, WORDS, ABLE)}
TABLE = RoutingTable(preferred=("plain", "words"))
NAMES = (VocabularyEntry("Aoife"),)
FEWER_MARKS = Formatting(punctuation_sensitivity=0.1)
ASKED = {
    Option.TASK: Decoding(task=Task.TRANSLATE),
    Option.VOCABULARY: Decoding(vocabulary=NAMES),
    Option.BEAM_SIZE: Decoding(beam_size=5),
    Option.PROMPT: Decoding(prompt="Of harps."),
    Option.MARK_BIAS: Decoding(mark_bias=FEWER_MARKS.mark_bias),
}


def _job(option: Option, **asked: Any) -> JobConfig:
    formatting = FEWER_MARKS if option is Option.MARK_BIAS else Formatting()
    return JobConfig(decoding=ASKED[option], formatting=formatting, **asked)


def _chosen(config: JobConfig, table: RoutingTable = TABLE, *loaded: ModelProfile) -> str:
    profiles = {profile.model: profile for profile in loaded} or LOADED
    return choose(profiles, config, table).profile.model


def test_a_job_goes_to_the_first_that_can_do_what_it_asks_for() -> None:
    chosen = {option: _chosen(_job(option, language="en")) for option in ASKED}
    assert chosen == {
        Option.TASK: "able",
        Option.VOCABULARY: "words",
        Option.BEAM_SIZE: "able",
        Option.PROMPT: "able",
        Option.MARK_BIAS: "able",
    }
    assert _chosen(JobConfig(language="en")) == "plain"
    assert _chosen(JobConfig(language="en", decoding=Decoding(beam_size=4))) == "words"
    assert _chosen(JobConfig(language="de", decoding=ASKED[Option.VOCABULARY])) == "able"  # words has no German
    assert _chosen(JobConfig(decoding=ASKED[Option.TASK])) == "able"


def test_a_row_is_passed_over_where_its_model_cannot() -> None:
    table = RoutingTable(rules=(RoutingRule("en", "plain"), RoutingRule("*", "able")), preferred=("words",))
    assert _chosen(JobConfig(language="en"), table) == "plain"
    assert _chosen(JobConfig(language="en", decoding=ASKED[Option.VOCABULARY]), table) == "able"
    with pytest.raises(ModelNotFound, match="'gone'"):  # a row whose model is away decides, as ever
        _chosen(JobConfig(language="en", decoding=ASKED[Option.TASK]), RoutingTable((RoutingRule("en", "gone"),)))


@pytest.mark.parametrize(
    "later",
    [RoutingRule("*", "gone"), RoutingRule("*", "french")],  # its model is away, or does not speak the language
)
def test_a_later_row_that_cannot_take_the_job_is_in_nobody_s_way(later: RoutingRule) -> None:
    loaded = (PLAIN, ABLE, replace(FAKE_PROFILE, model="french", languages=("fr",)))
    table = RoutingTable(rules=(RoutingRule("en", "plain"), later), preferred=("plain",))
    assert _chosen(JobConfig(language="en"), table, *loaded) == "plain"
    assert _chosen(JobConfig(language="en", decoding=ASKED[Option.TASK]), table, *loaded) == "able"


@pytest.mark.parametrize("option", Option)
def test_what_the_named_model_cannot_do_is_refused_with_who_can(option: Option) -> None:
    with pytest.raises(OptionNotServed) as refused:
        _chosen(_job(option, model="plain", language="en"))
    assert refused.value.field == FIELDS[option]
    able = {"able", "words"} if option is Option.VOCABULARY else {"able"}
    assert refused.value.message.startswith(f"{FIELDS[option]}: plain ")
    assert refused.value.message.endswith(f"; models that can: {', '.join(sorted(able))}")


@pytest.mark.parametrize("option", Option)
def test_what_nobody_can_do_is_refused(option: Option) -> None:
    with pytest.raises(OptionNotServed, match="models that can: none") as refused:
        _chosen(_job(option, language="en"), TABLE, PLAIN)
    assert refused.value.field == FIELDS[option]


@pytest.mark.parametrize("option", Option)
def test_a_hint_neither_chooses_nor_refuses(option: Option) -> None:
    hinted = replace(ASKED[option], hints=(Hint(option, "theirs"),))
    assert _chosen(JobConfig(language="en", decoding=hinted)) == "plain"
    assert honoured(PLAIN, hinted) == Decoding()
    assert honoured(ABLE, hinted) == ASKED[option]
    assert warnings(ABLE, hinted) == ()
    (warning,) = warnings(PLAIN, hinted)
    assert warning.reason == "FIELD_WITHOUT_EFFECT"
    assert warning.message.startswith("theirs: plain ")


def test_one_option_may_be_a_hint_and_another_not() -> None:
    decoding = Decoding(task=Task.TRANSLATE, prompt="Of harps.", hints=(Hint(Option.PROMPT, "prompt"),))
    assert _chosen(JobConfig(decoding=decoding)) == "able"
    translator = replace(PLAIN, model="translator", tasks=("transcribe", "translate"))
    assert _chosen(JobConfig(decoding=decoding), TABLE, PLAIN, translator) == "translator"
    assert honoured(translator, decoding) == Decoding(task=Task.TRANSLATE)


async def test_one_that_can_may_have_been_loaded_a_moment_ago() -> None:
    engine, config = FakeEngine([PLAIN]), JobConfig(decoding=ASKED[Option.VOCABULARY])
    router = Router(engine, FakeClock(), TABLE)
    with pytest.raises(OptionNotServed):
        await router.route(config)
    engine._profiles["able"] = ABLE
    assert (await router.route(config)).profile is ABLE


# --- language: auto --------------------------------------------------------------------------------------------------

EAR = replace(FAKE_PROFILE, model="ear", languages=("de", "en", "fr", "ja"), identifies_languages=True)


def _heard(code: str, confidence: float) -> LanguageChoice:
    return LanguageChoice(code, confidence, is_certain=confidence > 0.5)


def _settled(asked: Decoding, heard: LanguageChoice, *loaded: ModelProfile) -> str:
    profiles = {profile.model: profile for profile in loaded}
    config = JobConfig(decoding=asked)
    assert listener(profiles, config, TABLE) is not None
    return settled(profiles, config, TABLE, heard).profile.model


def test_who_takes_the_language_that_was_heard_can_do_what_is_asked_for() -> None:
    vocabulary = ASKED[Option.VOCABULARY]
    assert _settled(Decoding(), _heard("en", 1.0), PLAIN, WORDS, EAR) == "plain"
    assert _settled(vocabulary, _heard("en", 1.0), PLAIN, WORDS, EAR) == "words"
    assert _settled(vocabulary, _heard("de", 1.0), PLAIN, ABLE, EAR) == "able"


def test_who_only_listened_is_not_given_what_it_cannot_do() -> None:
    vocabulary, uncertain = ASKED[Option.VOCABULARY], _heard("de", 0.1)
    assert _settled(Decoding(), uncertain, PLAIN, WORDS, EAR) == "ear"
    assert _settled(vocabulary, uncertain, PLAIN, WORDS, EAR) == "words"
    assert _settled(vocabulary, uncertain, PLAIN, WORDS, replace(EAR, takes_hotwords=True)) == "ear"
    for code in ("de", "ja"):
        with pytest.raises(OptionNotServed, match="models that can: words"):
            _settled(vocabulary, _heard(code, 1.0), PLAIN, WORDS, EAR)


def test_who_alone_speaks_the_language_that_was_heard_can_do_what_is_asked_for() -> None:
    """It is not of the operating point that the job asks for, and is taken for want of another."""
    enhanced = replace(WORDS, operating_points=("enhanced",))
    profiles = {profile.model: profile for profile in (enhanced, EAR)}
    plain = JobConfig(operating_point="enhanced")
    assert settled(profiles, plain, TABLE, _heard("ja", 1.0)).profile is EAR
    with pytest.raises(OptionNotServed, match="models that can: words"):
        settled(profiles, replace(plain, decoding=ASKED[Option.VOCABULARY]), TABLE, _heard("ja", 1.0))


HINTED = JobConfig(expected_languages=("de", "it"), expected_hint="languages")
ENGLISH = replace(PLAIN, model="english", languages=("en",))
GERMAN = replace(PLAIN, model="german", languages=("de",))


def test_languages_that_are_a_hint_choose_who_speaks_one_of_them() -> None:
    assert _chosen(HINTED, TABLE, ENGLISH, GERMAN) == "german"
    assert heeded({"english": ENGLISH, "german": GERMAN}, HINTED, TABLE) is HINTED


@pytest.mark.parametrize(
    ("config", "table"),
    [
        (replace(HINTED, expected_languages=("it", "ja")), TABLE),  # nobody speaks them
        (replace(HINTED, model="english"), TABLE),
        (HINTED, RoutingTable((RoutingRule("*", "english"),))),
        (replace(HINTED, decoding=ASKED[Option.VOCABULARY]), TABLE),
    ],
)
def test_languages_that_are_a_hint_refuse_no_job(config: JobConfig, table: RoutingTable) -> None:
    english = replace(ENGLISH, takes_hotwords=True, identifies_languages=True)
    profiles = {"english": english, "german": GERMAN}
    assert choose(profiles, config, table).profile is english
    ear = listener(profiles, config, table)
    assert ear is not None
    assert ear.profile is english
    kept = heeded(profiles, config, table)
    (warning,) = kept.warnings
    assert kept.expected_languages == ()
    assert (warning.reason, warning.message.partition(":")[0]) == ("FIELD_WITHOUT_EFFECT", "languages")
    with pytest.raises((ModelNotFound, OptionNotServed)):
        choose(profiles, replace(config, expected_hint=""), table)


# --- through a job ---------------------------------------------------------------------------------------------------


async def test_every_window_of_a_job_carries_what_it_asks_for(tmp_path: Path) -> None:
    asked = Decoding(vocabulary=NAMES, beam_size=3, prompt="Of harps.", hints=(Hint(Option.PROMPT, "prompt"),))
    async with open_rig(tmp_path, engine=FakeEngine((replace(WORDS, model="fake"),))) as rig:
        job = await rig.submit(decoding=asked)
        done = await rig.scheduler.wait(TENANT, job.job_id)
        assert done.state is JobState.SUCCEEDED
        assert done.config.decoding == asked
        assert {request.decoding for request in rig.engine.requests} == {Decoding(vocabulary=NAMES, beam_size=3)}
        assert done.info
        assert [warning.message for warning in done.info.warnings] == ["prompt: fake takes none"]


async def test_windows_that_are_listened_to_carry_none_of_it(tmp_path: Path) -> None:
    ear = replace(EAR, model="fake", languages=("en",), takes_hotwords=True)
    async with open_rig(tmp_path, engine=FakeEngine((ear,))) as rig:
        job = await rig.submit(decoding=ASKED[Option.VOCABULARY])
        await rig.scheduler.wait(TENANT, job.job_id)
        first, *_, last = (request.decoding for request in rig.engine.requests)
        assert (first, last) == (Decoding(), ASKED[Option.VOCABULARY])


async def test_what_nobody_can_do_is_refused_at_submit(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        with pytest.raises(OptionNotServed, match=r"config\.additional_vocabulary: fake cannot"):
            await rig.submit(decoding=ASKED[Option.VOCABULARY])
        assert rig.engine.requests == []


async def test_a_job_that_finds_nobody_able_when_it_runs_fails_once(tmp_path: Path) -> None:
    """It was accepted while no recogniser was up, or the one that could is gone."""
    async with open_rig(tmp_path, engine=FakeEngine((replace(WORDS, model="fake"),)), start=False) as rig:
        job = await rig.submit(decoding=ASKED[Option.VOCABULARY])
        rig.engine._profiles = {"fake": FAKE_PROFILE}
        rig.clock.advance(60)
        await rig.scheduler.start()
        failed = await rig.scheduler.wait(TENANT, job.job_id)
        assert failed.failure
        assert (failed.state, failed.attempt, failed.failure.reason) == (JobState.FAILED, 1, "OPTION_NOT_SERVED")
        assert rig.engine.requests == []


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        (Formatting(), []),
        (Formatting(asked=("punctuation", "casing")), ["punctuation", "casing"]),
        (Formatting(permitted_marks=(".",)), ["permitted_marks"]),
        (Formatting(punctuation=False, casing=False), []),
        (Formatting(punctuation=False, asked=("punctuation",)), []),
        (Formatting(casing=False, asked=("punctuation", "casing")), ["punctuation"]),
    ],
)
def test_marks_and_capitals_that_are_asked_for_and_nobody_writes_are_warned_of(
    asked: Formatting, fields: list[str]
) -> None:
    told = warnings_of_text(replace(PLAIN, writes_marks=False, writes_capitals=False), asked)
    assert [warning.message.partition(":")[0] for warning in told] == [f"formatting.{field}" for field in fields]
    assert all(warning.reason == "FIELD_WITHOUT_EFFECT" and "plain writes no" in warning.message for warning in told)
    assert warnings_of_text(PLAIN, asked) == ()
