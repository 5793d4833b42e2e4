"""A job that names no language: what is heard first decides who recognises it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stenod_server.app.node import Node
from stenod_server.domain.decoding import Decoding, VocabularyEntry
from stenod_server.domain.job import Failure, Job, JobConfig, JobState, LowConfidenceAction
from stenod_server.engine.fake import FAKE_PROFILE, FakeEngine
from stenod_server.errors import ModelNotFound
from stenod_server.ports import Int16Audio, RecognitionRequest, WindowResult
from stenod_server.scheduler.intake import InlineMedia
from stenod_server.scheduler.scheduler import Submission
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.node import fake_node

ENGLISH = replace(FAKE_PROFILE, model="english", languages=("en",))
GERMAN = replace(FAKE_PROFILE, model="german", languages=("de",))
LARGE = replace(FAKE_PROFILE, model="large", languages=("de", "en", "fr"), identifies_languages=True)
WINDOWS = 6
Asked = list[tuple[str, str]]


class Ear(FakeEngine):
    """Where it is asked for `auto`, it hears what it is told to, as surely as it is told."""

    def __init__(self, language: str, confidence: float, *profiles: Any) -> None:
        super().__init__(profiles)
        self.heard = language, confidence

    async def recognise(self, audio: Int16Audio, request: RecognitionRequest, *, timeout_s: float) -> WindowResult:
        result = await super().recognise(audio, request, timeout_s=timeout_s)
        if request.language != "auto":
            return result
        language, confidence = self.heard
        words = tuple(replace(word, language=language) for word in result.words)
        return replace(result, words=words, language=language, language_confidence=confidence)


async def transcribed(node: Node, config: JobConfig) -> Job:
    job = await node.intake.submit("default", Submission(config=config), InlineMedia(b"RIFF"))
    return await node.scheduler.wait("default", job.job_id)


async def run(tmp_path: Path, engine: FakeEngine, config: JobConfig, **settings: Any) -> tuple[Job, Asked]:
    """The job when it has ended, and what of whom was asked, in order and each once in a row."""
    front_end = ScriptedFrontEnd(make_windows(WINDOWS, seconds=5.0))
    async with fake_node(tmp_path, engine, front_end, **{"model": "english", "parallel": 1, **settings}) as node:
        ended = await transcribed(node, config)
    return ended, [(request.model, request.language) for request in engine.requests]


LISTENED = [("large", "auto")] * 2  # ten seconds of speech


@pytest.mark.parametrize(
    ("language", "confidence", "expected"),
    [
        ("de", 0.9, [*LISTENED, *[("german", "de")] * WINDOWS]),
        ("en", 0.9, [*LISTENED, *[("english", "en")] * WINDOWS]),
        ("fr", 0.9, [*LISTENED, *[("large", "fr")] * (WINDOWS - len(LISTENED))]),  # who listened need not hear it again
        ("de", 0.4, [("large", "auto")] * WINDOWS),  # never certain: it is told window by window
        ("", 0.0, [*[("large", "auto")] * WINDOWS, *[("english", "auto")] * WINDOWS]),  # nothing to go by
    ],
)
async def test_it_goes_to_who_speaks_what_was_heard(
    tmp_path: Path, language: str, confidence: float, expected: Asked
) -> None:
    job, asked = await run(tmp_path, Ear(language, confidence, ENGLISH, GERMAN, LARGE), JobConfig())
    assert job.state is JobState.SUCCEEDED
    assert asked == expected
    assert job.info is not None
    is_doubtful = bool(language) and confidence < 0.5
    assert is_doubtful == ("LANGUAGE_UNCERTAIN" in {warning.reason for warning in job.info.warnings})
    if language and confidence > 0.5:
        assert job.info.language == language
        assert job.info.language_confidence == pytest.approx(confidence)


async def test_only_a_language_that_can_be_expected_is_heard(tmp_path: Path) -> None:
    engine = Ear("fr", 0.9, ENGLISH, GERMAN, LARGE)
    _, asked = await run(tmp_path, engine, JobConfig(expected_languages=("de", "en")))
    assert asked == [*[("large", "auto")] * WINDOWS, *[("english", "auto")] * WINDOWS]
    engine = Ear("de", 0.9, ENGLISH, GERMAN, LARGE)
    _, asked = await run(tmp_path / "again", engine, JobConfig(expected_languages=("de", "en")))
    assert asked == [*LISTENED, *[("german", "de")] * WINDOWS]


async def test_languages_that_are_a_hint_and_nobody_speaks_are_not_waited_for(tmp_path: Path) -> None:
    config = JobConfig(expected_languages=("it", "ja"), expected_hint="languages")
    job, asked = await run(tmp_path, Ear("de", 0.9, ENGLISH, GERMAN, LARGE), config)
    assert asked == [*LISTENED, *[("german", "de")] * WINDOWS]
    assert told(job) == [("FIELD_WITHOUT_EFFECT", "languages: nobody takes the job who speaks it or ja")]
    with pytest.raises(ModelNotFound, match="for language it or ja"):
        await run(tmp_path / "wish", Ear("de", 0.9, LARGE), replace(config, expected_hint=""), model="large")


REJECT = LowConfidenceAction.REJECT
USE_DEFAULT = LowConfidenceAction.USE_DEFAULT_LANGUAGE


def told(job: Job) -> list[tuple[str, str]]:
    """The warnings, but for that of a recogniser that says always the same."""
    assert job.info is not None
    warnings = [(warning.reason, warning.message) for warning in job.info.warnings]
    return [(reason, message) for reason, message in warnings if reason != "SAME_TEXT_REPEATED"]


async def test_a_job_of_an_uncertain_language_is_rejected_where_it_asks_for_that(tmp_path: Path) -> None:
    config = JobConfig(low_confidence_action=REJECT)
    job, asked = await run(tmp_path, Ear("de", 0.4, ENGLISH, GERMAN, LARGE), config)
    assert asked == [("large", "auto")] * WINDOWS  # once: it is not tried again
    assert (job.state, job.attempt) == (JobState.FAILED, 1)
    assert job.failure == Failure("LANGUAGE_UNCERTAIN", "the language is not certain: most like de (0.40)")
    job, _ = await run(tmp_path / "certain", Ear("de", 0.9, ENGLISH, GERMAN, LARGE), config)
    assert job.state is JobState.SUCCEEDED


@pytest.mark.parametrize("heard", [("fr", 0.4), ("", 0.0)])
async def test_a_job_of_an_uncertain_language_is_taken_for_its_default_where_it_asks_for_that(
    tmp_path: Path, heard: tuple[str, float]
) -> None:
    config = JobConfig(low_confidence_action=USE_DEFAULT, default_language="de")
    job, asked = await run(tmp_path, Ear(*heard, ENGLISH, GERMAN, LARGE), config)
    assert asked == [*[("large", "auto")] * WINDOWS, *[("german", "de")] * WINDOWS]
    assert job.info is not None
    assert (job.info.language, job.info.model) == ("de", "german")
    said = [("LANGUAGE_UNCERTAIN", "most like fr (0.40); taken for de")] if heard[0] else []
    assert told(job) == said


async def test_a_default_that_nobody_speaks_is_refused_at_once(tmp_path: Path) -> None:
    config = JobConfig(low_confidence_action=USE_DEFAULT, default_language="ja")
    with pytest.raises(ModelNotFound, match="for language ja"):
        await run(tmp_path, Ear("de", 0.9, ENGLISH, GERMAN, LARGE), config)
    named = replace(config, model="english", default_language="de")
    with pytest.raises(ModelNotFound, match="english for language de"):
        await run(tmp_path / "named", Ear("de", 0.9, ENGLISH, GERMAN, LARGE), named)


async def test_where_nobody_listens_a_wish_about_uncertainty_is_said_to_be_in_vain(tmp_path: Path) -> None:
    deaf = replace(LARGE, identifies_languages=False)
    for number, wish in enumerate((JobConfig(), JobConfig(low_confidence_action=REJECT))):
        job, _ = await run(tmp_path / str(number), Ear("de", 0.4, ENGLISH, GERMAN, deaf), wish)
        assert job.state is JobState.SUCCEEDED
        assert [reason for reason, _ in told(job)] == ["FIELD_WITHOUT_EFFECT"] * number


@pytest.mark.parametrize(
    ("config", "settings", "first"),
    [
        (JobConfig(language="de"), {}, ("german", "de")),  # it names one
        (JobConfig(model="english"), {}, ("english", "auto")),  # it names who takes it, who knows one
        (JobConfig(), {"routes": ["auto=english"]}, ("english", "auto")),  # so the table says
    ],
)
async def test_it_is_not_listened_to_where_nothing_is_open(
    tmp_path: Path, config: JobConfig, settings: dict[str, Any], first: tuple[str, str]
) -> None:
    _, asked = await run(tmp_path, Ear("de", 0.9, ENGLISH, GERMAN, LARGE), config, **settings)
    assert asked == [first] * WINDOWS


async def test_a_recogniser_that_is_named_and_can_tell_is_the_one_that_listens(tmp_path: Path) -> None:
    _, asked = await run(tmp_path, Ear("de", 0.9, ENGLISH, GERMAN, LARGE), JobConfig(model="large"))
    assert asked == [*LISTENED, *[("large", "de")] * (WINDOWS - len(LISTENED))]


async def test_what_was_heard_while_listening_is_in_the_transcript_as_if_it_was_heard_again(tmp_path: Path) -> None:
    texts = {}
    for language in ("auto", "fr"):
        front_end = ScriptedFrontEnd(make_windows(WINDOWS, seconds=5.0))
        engine = Ear("fr", 0.9, LARGE)
        async with fake_node(tmp_path / language, engine, front_end, model="large", parallel=1) as node:
            job = await transcribed(node, JobConfig(language=language))
            texts[language] = [segment async for segment in node.scheduler.segments(job)]
        assert len(engine.requests) == WINDOWS
    assert texts["auto"] == texts["fr"]


async def test_who_listened_hears_again_what_is_to_be_heard_in_another_way(tmp_path: Path) -> None:
    listens = replace(LARGE, takes_hotwords=True)
    config = JobConfig(decoding=Decoding(vocabulary=(VocabularyEntry("stenod"),)))
    _, asked = await run(tmp_path, Ear("fr", 0.9, listens), config, model="large")
    assert asked == [*LISTENED, *[("large", "fr")] * WINDOWS]


async def test_where_nobody_can_tell_all_is_as_ever(tmp_path: Path) -> None:
    deaf = replace(LARGE, identifies_languages=False)
    _, asked = await run(tmp_path, Ear("de", 0.9, ENGLISH, GERMAN, deaf), JobConfig())
    assert asked == [("english", "auto")] * WINDOWS


async def test_no_transcript_of_it_is_used_again(tmp_path: Path) -> None:
    known = [replace(profile, revision="r1") for profile in (ENGLISH, LARGE)]
    engine = Ear("en", 0.9, *known)
    front_end = ScriptedFrontEnd(make_windows(WINDOWS, seconds=5.0))
    async with fake_node(tmp_path, engine, front_end, model="english", cache_ttl_s=60.0) as node:
        for _ in range(2):
            await transcribed(node, JobConfig())
    assert len(engine.requests) == 2 * (len(LISTENED) + WINDOWS)
