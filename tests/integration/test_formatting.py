"""How text is written, from what a client asks to what its transcript says."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stenod
from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.transcript import Word
from stenod_server.engine.fake import FAKE_PROFILE, FakeEngine
from stenod_server.ports import Int16Audio, ModelProfile, RecognitionRequest, Window, WindowResult
from tests.support.front_end import ScriptedFrontEnd
from tests.support.node import fake_node

SAID = "Um, the color cost twenty five dollars on the third of May, damn shit. Goodbye Acme!"
WINDOW_SAMPLES = 8 * SAMPLE_RATE_HZ
SPOKEN = [replace(FAKE_PROFILE, languages=("en", "de", "pl"))]


class Speaker(FakeEngine):
    """Hears the same words in every window, evenly spread."""

    def __init__(self, said: str, profiles: Sequence[ModelProfile] = SPOKEN) -> None:
        super().__init__(profiles)
        self._texts = said.split()

    async def recognise(self, audio: Int16Audio, request: RecognitionRequest, *, timeout_s: float) -> WindowResult:
        result = await super().recognise(audio, request, timeout_s=timeout_s)
        step = len(audio) // len(self._texts)
        words = (Word(text, i * step, (i + 1) * step, 0.9, request.language) for i, text in enumerate(self._texts))
        return replace(result, words=tuple(words))


def _window(audio: Sequence[int]) -> Window:
    return Window(0, 0, np.array(audio, np.int16), 0, len(audio))


async def _transcribed(
    tmp_path: Path,
    said: str,
    audio: Sequence[int] | None = None,
    *,
    profiles: Sequence[ModelProfile] = SPOKEN,
    **asked: Any,
) -> stenod.Transcript:
    """Of one window, by a client."""
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    front_end = ScriptedFrontEnd([_window([0] * WINDOW_SAMPLES if audio is None else audio)])
    async with (
        fake_node(tmp_path, Speaker(said, profiles), front_end) as node,
        stenod.Client(node.address) as client,
    ):
        return await client.transcribe(tmp_path / "a.wav", **{"language": "en", **asked})


async def test_without_a_word_about_it_text_is_written_as_it_was_heard(tmp_path: Path) -> None:
    assert (await _transcribed(tmp_path, SAID)).text == SAID


async def test_all_that_is_asked_is_done_in_order(tmp_path: Path) -> None:
    transcript = await _transcribed(
        tmp_path,
        SAID,
        numerals=True,
        remove_disfluencies=True,
        profanity_filter="mask",
        output_locale="en-GB",
        permitted_marks=[".", "!"],
        replacements={"acme": "ACME Ltd", "/Good(bye)/": r"Bye\1"},
    )
    assert transcript.text == "The colour cost $25 on 3 May damn s***. Byebye ACME Ltd!"
    words = [word for segment in transcript.segments for word in segment.words]
    assert all(a.start_s <= b.start_s for a, b in pairwise(words))


async def test_words_below_the_threshold_are_not_written(tmp_path: Path) -> None:
    half = WINDOW_SAMPLES // 2
    loud = np.random.default_rng(0).integers(-8000, 8000, half).tolist()
    transcript = await _transcribed(tmp_path, "loud words quiet ones", [*loud, *[0] * half], volume_threshold=5)
    assert transcript.text == "loud words"


async def test_what_a_language_has_not_is_told_in_the_transcript(tmp_path: Path) -> None:
    transcript = await _transcribed(tmp_path, "Um, dwadzieścia", language="pl", numerals=True, remove_disfluencies=True)
    assert transcript.text == "Um, dwadzieścia"
    told = [message.partition(":")[0] for reason, message in transcript.warnings if reason == "FIELD_WITHOUT_EFFECT"]
    assert told == ["formatting.numerals", "formatting.remove_disfluencies"]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"language": "de", "output_locale": "en-GB"}, "config.formatting.output_locale"),
        ({"replacements": {"/(/": ""}}, "config.formatting.replacements.0"),
    ],
)
async def test_what_no_text_could_be_given_is_refused_at_submit(
    tmp_path: Path, asked: dict[str, Any], field: str
) -> None:
    with pytest.raises(stenod.errors.InvalidRequest, match=field):
        await _transcribed(tmp_path, SAID, **asked)


async def test_marks_and_capitals_that_nobody_writes_are_told_where_they_are_asked_for(tmp_path: Path) -> None:
    bare = [replace(SPOKEN[0], writes_marks=False, writes_capitals=False)]
    asked = await _transcribed(tmp_path, "so it is", profiles=bare, punctuation=True, casing=True)
    assert [(reason, message.partition(":")[0]) for reason, message in asked.warnings] == [
        ("FIELD_WITHOUT_EFFECT", "formatting.punctuation"),
        ("FIELD_WITHOUT_EFFECT", "formatting.casing"),
    ]
    assert not (await _transcribed(tmp_path, "so it is", profiles=bare)).warnings
    assert not (await _transcribed(tmp_path, "So it is.", punctuation=True, casing=True)).warnings
