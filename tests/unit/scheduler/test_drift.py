"""Which jobs are watched for a language that drifts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from stenod_server.domain.transcript import Word
from stenod_server.engine.fake import FAKE_PROFILE, FakeEngine
from stenod_server.ports import Int16Audio, ModelProfile, RecognitionRequest, WindowResult
from tests.unit.scheduler.rig import TENANT, open_rig

GERMAN = ["Ich", "weiß", "nicht", "warum", "das", "Geschäft", "heute", "noch", "nicht", "offen", "ist"]


class GermanEngine(FakeEngine):
    """Says the same German sentence in every window, and of what is not named to it nothing."""

    says: Sequence[str] = GERMAN

    async def recognise(self, audio: Int16Audio, request: RecognitionRequest, *, timeout_s: float) -> WindowResult:
        told = await super().recognise(audio, request, timeout_s=timeout_s)
        words = tuple(Word(text, place, place, 1.0, language=request.language) for place, text in enumerate(self.says))
        if request.language == "auto":
            return replace(told, words=words, language="und", language_confidence=0.0)
        return replace(told, words=words)


@pytest.mark.parametrize(
    ("asked", "profile", "told", "warned"),
    [
        ("en", FAKE_PROFILE, "de", ["LANGUAGE_DRIFT"]),
        ("de", FAKE_PROFILE, "de", []),
        ("auto", FAKE_PROFILE, "de", []),
        ("en", replace(FAKE_PROFILE, languages=("en",)), "en", []),
        ("en", replace(FAKE_PROFILE, identifies_languages=True), "en", []),
    ],
    ids=["drifts", "as asked", "none asked", "speaks one", "tells itself"],
)
async def test_a_recogniser_that_does_not_tell_its_language_is_watched(
    tmp_path: Path, asked: str, profile: ModelProfile, told: str, warned: list[str]
) -> None:
    async with open_rig(tmp_path, engine=GermanEngine([profile])) as rig:
        done = await rig.scheduler.wait(TENANT, (await rig.submit(language=asked)).job_id)
        assert done.info
        assert done.info.language == told
        assert [one.reason for one in done.info.warnings if one.reason == "LANGUAGE_DRIFT"] == warned


class ThaiEngine(GermanEngine):
    says = ("ตวบนลาง",)


@pytest.mark.parametrize(("languages", "warned"), [(("en",), True), (("en", "th"), False)])
async def test_letters_that_no_language_of_the_recogniser_has_are_dropped(
    tmp_path: Path, languages: tuple[str, ...], *, warned: bool
) -> None:
    profile = replace(FAKE_PROFILE, languages=languages, identifies_languages=True)
    async with open_rig(tmp_path, engine=ThaiEngine([profile])) as rig:
        done = await rig.scheduler.wait(TENANT, (await rig.submit(language="en")).job_id)
        assert done.info
        assert ("FOREIGN_SCRIPT" in {one.reason for one in done.info.warnings}) == warned


async def test_a_text_is_in_none_of_the_languages_that_were_a_hint_in_vain(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=GermanEngine([FAKE_PROFILE])) as rig:
        submitted = await rig.submit(expected_languages=("ja", "ko"), expected_hint="languages")
        done = await rig.scheduler.wait(TENANT, submitted.job_id)
        assert done.info
        assert done.info.language == "de"
