from dataclasses import replace

import pytest

from stenod_server.domain.job import JobConfig, LowConfidenceAction
from stenod_server.domain.retry import failure_of
from stenod_server.engine.fake import FAKE_PROFILE
from stenod_server.errors import LanguageUncertain, ModelNotFound
from stenod_server.recognition.language_choice import LanguageChoice
from stenod_server.scheduler.language_doubt import warnings
from stenod_server.scheduler.routing import RoutingRule, RoutingTable, settled

ENGLISH = replace(FAKE_PROFILE, model="english", languages=("en",))
GERMAN = replace(FAKE_PROFILE, model="german", languages=("de",))
EAR = replace(FAKE_PROFILE, model="large", languages=("de", "en", "fr"), identifies_languages=True)
LOADED = {profile.model: profile for profile in (ENGLISH, GERMAN, EAR)}
TABLE = RoutingTable(preferred=("english",))
SURE = LanguageChoice("fr", 0.9, is_certain=True)
UNSURE = LanguageChoice("fr", 0.4, is_certain=False)
UNEXPECTED = LanguageChoice("", 0.0, is_certain=False)
SILENCE = LanguageChoice("", 0.0, is_certain=False, is_speech=False)

ALLOW = JobConfig()
REJECT = JobConfig(low_confidence_action=LowConfidenceAction.REJECT)
GERMAN_THEN = JobConfig(
    low_confidence_action=LowConfidenceAction.USE_DEFAULT_LANGUAGE,
    default_language="de",
    expected_languages=("en", "fr"),
)


@pytest.mark.parametrize(
    ("config", "heard", "expected"),
    [
        (ALLOW, UNSURE, ("large", "auto")),
        (ALLOW, UNEXPECTED, ("english", "auto")),
        (REJECT, SURE, ("large", "fr")),
        (REJECT, SILENCE, ("english", "auto")),
        (GERMAN_THEN, SURE, ("large", "fr")),
        (GERMAN_THEN, UNSURE, ("german", "de")),
        (GERMAN_THEN, UNEXPECTED, ("german", "de")),
        (GERMAN_THEN, SILENCE, ("german", "de")),
    ],
)
def test_a_job_goes_where_it_asks_to_go_when_its_language_is_not_certain(
    config: JobConfig, heard: LanguageChoice, expected: tuple[str, str]
) -> None:
    route = settled(LOADED, config, TABLE, heard)
    assert (route.profile.model, route.language) == expected


def test_the_table_is_asked_for_the_default_language() -> None:
    table = RoutingTable((RoutingRule("de", "large"),), TABLE.preferred)
    assert settled(LOADED, GERMAN_THEN, table, UNSURE).profile is EAR


@pytest.mark.parametrize(
    ("heard", "says"),
    [
        (UNSURE, "the language is not certain: most like fr (0.40)"),
        (UNEXPECTED, "the language is not certain: like none that is expected"),
    ],
)
def test_a_rejected_job_says_what_was_heard_and_is_not_tried_again(heard: LanguageChoice, says: str) -> None:
    with pytest.raises(LanguageUncertain) as rejected:
        settled(LOADED, REJECT, TABLE, heard)
    failure = failure_of(rejected.value)
    assert (failure.reason, failure.message, failure.retryable) == ("LANGUAGE_UNCERTAIN", says, False)


def test_a_model_that_was_named_and_cannot_is_no_way_out() -> None:
    with pytest.raises(ModelNotFound, match="large for language ja"):
        settled(LOADED, replace(GERMAN_THEN, model="large", default_language="ja"), TABLE, UNSURE)


@pytest.mark.parametrize(
    ("config", "heard", "says"),
    [
        (ALLOW, UNSURE, ("LANGUAGE_UNCERTAIN", "most like fr (0.40); left to the model")),
        (GERMAN_THEN, UNSURE, ("LANGUAGE_UNCERTAIN", "most like fr (0.40); taken for de")),
        (GERMAN_THEN, UNEXPECTED, ("LANGUAGE_UNCERTAIN", "like none that is expected; taken for de")),
        (GERMAN_THEN, SURE, None),
        (GERMAN_THEN, SILENCE, None),
        (
            REJECT,
            None,
            ("FIELD_WITHOUT_EFFECT", "low_confidence_action: no recogniser was asked which language is spoken"),
        ),
        (ALLOW, None, None),
    ],
)
def test_the_caller_is_told(config: JobConfig, heard: LanguageChoice | None, says: tuple[str, str] | None) -> None:
    assert [(warning.reason, warning.message) for warning in warnings(config, heard)] == ([says] if says else [])
