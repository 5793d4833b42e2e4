"""Speakers who are known, through a whole service with real models: identifiers case by case, and conversations."""

import io
import tempfile
import wave
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stenod.v1 import transcript_pb2
from stenod_server.app.clock import SystemClock
from stenod_server.app.node import Node, Parts, open_node
from stenod_server.app.tritons import open_triton
from stenod_server.domain.audio import SAMPLE_RATE_HZ, to_samples
from stenod_server.ports import VoiceProfile
from stenod_server.settings import load
from stenod_server.telemetry import logs
from stenod_server.telemetry.metrics import Metrics
from tests.support.models import DEFAULT_MODEL, VAD_MODEL, build_models, read_audio
from tests.support.speech import Recording, recordings
from tests.support.voice_identifiers import Desk, Trial, open_desk, try_identifiers

VOICES: Final = "voices"
ROOM: Final = {"max_inline_bytes": 32 * 1024**2, "max_message_bytes": 33 * 1024**2}
SAME_PERSON: Final = ("lso-367-130732-0002", "lso-367-130732-0003")
REFERENCE, OTHER_PERSONS = "lso-367-130732-0007", ("lso-1688-142285-0002", "jfk")
STRANGERS: Final = ("lj", "jfk")  # who are known, and do not talk
CONVERSATIONS: Final = {"conv-dev-3spk": 0.97, "conv-dev-5spk-ov": 0.93}  # and the least ratio of words named right
RIGHT, ANOTHERS, NONE = "right", "another's", "none"
LONGEST_ENROLMENT_S: Final = 20.0


class HurryingClock(SystemClock):
    """Runs ahead when it is told to, so that nobody waits for a node to look at its secrets again."""

    ahead_s = 0.0

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.ahead_s

    def hurry(self) -> None:
        self.ahead_s += 10.0


async def prove_service() -> Sequence[str]:
    """A node with a Triton of its own, and the default models."""
    logs.configure("error")
    clock = HurryingClock()
    models_dir = build_models(DEFAULT_MODEL, VAD_MODEL, VOICES)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        given: dict[str, Any] = {"listen": "127.0.0.1:0", "metrics_listen": "off", "models_dir": models_dir, **ROOM}
        settings = load(data_dir=directory / "data", **given)
        async with open_triton(settings, Metrics(), lambda _phase, _done: None) as engine:
            (profile,) = (await engine.voice_profiles()).values()

            def open_with(**more: Any) -> AbstractAsyncContextManager[Node]:
                loaded = load(data_dir=directory / "data", **given, **more)
                return open_node(loaded, parts=Parts(engine=engine, clock=clock))

            async with open_desk(directory, open_with, clock.hurry) as desk:
                problems = [problem for name in CONVERSATIONS for problem in await prove_conversation(desk, name)]
                problems += await prove_references(desk)
                return [*problems, *await prove_cases(desk, profile)]


async def prove_cases(desk: Desk, profile: VoiceProfile) -> Sequence[str]:
    """The last of these take a secret out."""
    enrolment, other = (by_id(name).path.read_bytes() for name in SAME_PERSON)
    problems: list[str] = []
    print("\nidentifiers through the service: what the words of the other recording are labelled")
    async for trial in try_identifiers(desk, enrolment, other, profile):
        print(trial, flush=True)
        if not trial.is_passed:
            problems.append(str(trial))
    return problems


async def prove_references(desk: Desk) -> Sequence[str]:
    """In OpenAI's dialect somebody is known by a recording."""
    reference = by_id(REFERENCE).path.read_bytes()
    problems = []
    print("\nknown by a recording, in OpenAI's dialect")
    for name in (*SAME_PERSON, *OTHER_PERSONS):
        heard = await desk.ask_in_openai(by_id(name).path.read_bytes(), reference)
        trial = Trial(name, heard, is_known=name in SAME_PERSON)
        print(trial, flush=True)
        if not trial.is_passed:
            problems.append(str(trial))
    return problems


async def prove_conversation(desk: Desk, name: str) -> Sequence[str]:
    """Everybody who talks is known by one recording, whose words are silent here, and so are others who do not talk."""
    conversation = by_id(name)
    turns = conversation.fields["segments"]
    talkers = sorted({turn["speaker"] for turn in turns})
    enrolments = {speaker: longest_clip(speaker) for speaker in (*talkers, *STRANGERS)}
    known = {label: await identifiers_of(desk, clip) for label, clip in enrolments.items()}
    said = {clip.text for clip in enrolments.values()}
    audio = read_audio(conversation.path).copy()
    for turn in turns:
        if turn["text"] in said:
            audio[to_samples(turn["start"]) : to_samples(turn["end"])] = 0
    answer = await desk.transcribe(as_wav(audio), known)
    words = [word for segment in answer.segments for word in segment.words]
    found = Counter(outcome for word in words if (outcome := named(word, turns, known)))
    total = found.total()
    print(
        f"\n{name}: {len(talkers)} people, all known, and {len(STRANGERS)} known who do not talk: {found[RIGHT]} of "
        f"{total} words have the right name ({found[RIGHT] / total:.1%}), {found[ANOTHERS]} another's, "
        f"{found[NONE]} none"
    )
    problems = []
    if found[RIGHT] < CONVERSATIONS[name] * total:
        problems.append(f"{name}: only {found[RIGHT]} of {total} words have the right name")
    if heard := sorted({word.speaker for word in words} & set(STRANGERS)):
        problems.append(f"{name}: {heard} are heard, who are not there")
    return problems


def named(word: transcript_pb2.Word, turns: Sequence[Mapping[str, Any]], known: Container[str]) -> str:
    """Empty where two talk at once, or nobody: such a word may be of either."""
    middle_s = (word.start_offset.ToTimedelta() + word.end_offset.ToTimedelta()).total_seconds() / 2
    now = [turn["speaker"] for turn in turns if turn["start"] <= middle_s < turn["end"]]
    if len(now) != 1:
        return ""
    if word.speaker == now[0]:
        return RIGHT
    return ANOTHERS if word.speaker in known else NONE


async def identifiers_of(desk: Desk, clip: Recording) -> Sequence[str]:
    answer = await desk.transcribe(clip.path.read_bytes(), {})
    longest = max(answer.job.transcript_info.speakers, key=lambda speaker: len(speaker.identifiers))
    return list(longest.identifiers)


def by_id(name: str) -> Recording:
    (found,) = (recording for recording in recordings() if recording.id == name)
    return found


def longest_clip(speaker: str) -> Recording:
    """Of somebody alone, at most as long as is asked of an enrolment."""
    own = (one for one in recordings("read_en") if one.fields.get("speaker") == speaker)
    return max((one for one in own if one.duration_s <= LONGEST_ENROLMENT_S), key=lambda one: one.duration_s)


def as_wav(audio: npt.NDArray[np.int16]) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as opened:
        opened.setnchannels(1)
        opened.setsampwidth(2)
        opened.setframerate(SAMPLE_RATE_HZ)
        opened.writeframes(audio.tobytes())
    return written.getvalue()
