"""What every client of Speechmatics must be able to do, each a cell of the matrix."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest

from stenod.errors import NotFound
from tests.proofs.wer import word_error_rate
from tests.support.clients.arena import ENGINES, Arena
from tests.support.clients.cell import assert_says, assert_says_one, refusal
from tests.support.clients.node import NodeScript
from tests.support.clients.speechmatics import PLAIN, Config, NodeBatch, SpeechmaticsCaller
from tests.support.eventually import eventually

MAX_ERROR_PERCENT: Final = 25.0
USER: Final = "MY_USER_ID"


@dataclass(slots=True)
class Trial:
    """One client in the arena. `make` gives it an address and a key."""

    make: Callable[..., SpeechmaticsCaller]
    arena: Arena
    _done: str = ""

    @property
    def caller(self) -> SpeechmaticsCaller:
        return self.make(self.arena.url)

    async def submit(self, config: Config = PLAIN, **options: Any) -> str:
        return await self.caller.submit(self.arena.short.path, config, **options)

    async def done(self) -> str:
        """A job that this client submitted and that is done."""
        if not self._done:
            self._done = await self.submit()
            await self.arena.ended(self._done)
        return self._done


async def submits(trial: Trial) -> None:
    job = await trial.arena.ended(await trial.submit())
    assert job.file_name == trial.arena.short.path.name
    assert_reference(trial.arena, await trial.arena.text_of(job.job_id))


async def polls(trial: Trial) -> None:
    assert_reference(trial.arena, await trial.caller.transcribed(trial.arena.short.path))


async def reads_json(trial: Trial) -> None:
    job_id = await trial.done()
    words = await trial.caller.words(job_id)
    assert [bare(word) for word in words] == _words(await trial.arena.text_of(job_id))


async def reads_txt(trial: Trial) -> None:
    job_id = await trial.done()
    assert (await trial.caller.text(job_id, "txt")).split() == (await trial.arena.text_of(job_id)).split()


async def reads_srt(trial: Trial) -> None:
    job_id = await trial.done()
    assert_subtitles(await trial.caller.text(job_id, "srt"), await trial.arena.text_of(job_id))


async def lists(trial: Trial) -> None:
    job_id = await trial.done()
    listed = list(await trial.caller.jobs())
    assert job_id in listed
    newer = await trial.submit()
    listed = list(await trial.caller.jobs())
    assert listed.index(newer) < listed.index(job_id)
    assert await trial.caller.status(job_id) == "done"
    await trial.arena.ended(newer)


async def fetches_from_an_address(trial: Trial) -> None:
    recording = trial.arena.short.path
    config = {**PLAIN, "fetch_data": {"url": f"{trial.arena.files_url}/{recording.name}"}}
    job_id = await trial.caller.submit(None, config)
    await trial.arena.ended(job_id)
    assert_reference(trial.arena, await trial.caller.text(job_id, "txt"))


async def reads_the_recording(trial: Trial) -> None:
    caller = trial.caller
    assert isinstance(caller, NodeBatch)
    found = await caller.data(await trial.done())
    assert found["sha256"] == hashlib.sha256(trial.arena.short.path.read_bytes()).hexdigest()
    assert found["thrown"] == "Failed to parse response JSON"  # whatever a server says that is no JSON


async def deletes(trial: Trial) -> None:
    """A job that is done, at once; one that runs, when it is forced."""
    job_id = await trial.submit()
    await trial.arena.ended(job_id)
    await trial.caller.delete(job_id)
    await _assert_gone(trial, job_id)
    async with trial.arena.running(lambda: trial.caller.submit(trial.arena.long.path, PLAIN)) as running:
        said = await refusal(trial.caller.delete(running))
        assert_says_one(said, "still running", "Resource Locked", "423")
        await trial.caller.delete(running, force=True)
        await _assert_gone(trial, running)


async def is_told_that_the_server_is_busy(trial: Trial) -> None:
    asked = 1 if "engines" in trial.caller.lacks else 3
    engines = None if asked == 1 else asked
    async with trial.arena.busy():
        said = await refusal(trial.submit(engines=engines))
    words = f"{asked} engines not available ({ENGINES} engines in use, {ENGINES} parallel allowed)"
    assert_says(said, "503", f"Server busy: {words}")


async def needs_the_right_key(trial: Trial) -> None:
    wrong, right = (trial.make(trial.arena.keyed_url, key) for key in ("wrong", trial.arena.right_key))
    for call in (wrong.jobs(), wrong.submit(trial.arena.short.path, PLAIN)):
        assert_says_one(await refusal(call), "AuthenticationError", "Permission Denied", "401")
    job_id = await right.submit(trial.arena.short.path, PLAIN)
    assert job_id in await right.jobs()


async def is_told_of_a_job_that_is_not_there(trial: Trial) -> None:
    caller = trial.caller
    for call in (caller.status("nobody"), caller.words("nobody"), caller.delete("nobody")):
        assert_says_one(await refusal(call), "not found", "NotFound", "TranscriptNotReady")


async def is_told_of_a_recording_that_cannot_be_read(trial: Trial) -> None:
    """The job is accepted, and waiting for it ends."""
    said = await refusal(trial.caller.transcribed(trial.arena.broken))
    assert_says_one(said, "MEDIA", "rejected", "audio", "recording")


async def is_told_who_speaks(trial: Trial) -> None:
    job_id = await trial.submit(_with(diarization="speaker", speaker_diarization_config={"max_speakers": 2}))
    await trial.arena.ended(job_id)
    words = (await trial.arena.grpc.transcript(job_id)).words
    assert {word.speaker for word in words} == {"S1"}
    first, *spoken = (await trial.caller.text(job_id, "txt")).splitlines()
    assert first == "SPEAKER: S1"
    assert_reference(trial.arena, " ".join(spoken))


async def is_told_the_channel(trial: Trial) -> None:
    job_id = await trial.submit(_with(diarization="channel", channel_diarization_labels=["agent"]))
    await trial.arena.ended(job_id)
    words = (await trial.arena.grpc.transcript(job_id)).words
    assert {word.channel for word in words} == {"agent"}
    assert [bare(word) for word in await trial.caller.words(job_id)] == [bare(word.text) for word in words]


async def gets_parallel_engines(trial: Trial) -> None:
    arena = trial.arena
    async with arena.running(lambda: trial.caller.submit(arena.long.path, PLAIN, engines=2)) as job_id:
        assert await arena.engines() == {
            "active_jobs": [{"job_id": job_id, "parallel_engines": 2}],
            "max_engines": ENGINES,
            "unused_engines": ENGINES - 2,
        }


async def says_whose_job_it_is(trial: Trial) -> None:
    job_id = await trial.submit(user_id=USER)
    job = await trial.arena.ended(job_id)
    assert job.proto.config.user_id == USER
    plain = await trial.arena.grpc.job(await trial.done())
    assert plain.proto.config.user_id == ""


async def is_notified(trial: Trial) -> None:
    receiver = trial.arena.receiver
    path = f"/told/{len(receiver.calls)}"
    asked = {
        "url": receiver.url(path),
        "contents": ["jobinfo", "transcript.txt"],
        "auth_headers": ["X-Token: s3cret"],
        "method": "put",
    }
    job_id = await trial.submit({**PLAIN, "notification_config": [asked]})
    await trial.arena.ended(job_id)
    await eventually(lambda: any(call.target.startswith(path) for call in receiver.calls))
    call = next(call for call in receiver.calls if call.target.startswith(path))
    assert (call.method, call.query) == ("PUT", {"id": job_id, "status": "success"})
    assert call.headers["x-token"] == "s3cret"
    parts = call.parts()
    assert json.loads(parts["jobinfo"][2])["id"] == job_id
    assert parts["transcript.txt"][2].decode().split() == (await trial.arena.text_of(job_id)).split()


Cell = Callable[[Trial], Awaitable[None]]
CELLS: Final[Mapping[str, Cell]] = {
    "submit": submits,
    "poll": polls,
    "json": reads_json,
    "txt": reads_txt,
    "srt": reads_srt,
    "list": lists,
    "fetch": fetches_from_an_address,
    "data": reads_the_recording,
    "delete": deletes,
    "busy": is_told_that_the_server_is_busy,
    "key": needs_the_right_key,
    "unknown": is_told_of_a_job_that_is_not_there,
    "broken": is_told_of_a_recording_that_cannot_be_read,
    "speaker": is_told_who_speaks,
    "channel": is_told_the_channel,
    "engines": gets_parallel_engines,
    "user_id": says_whose_job_it_is,
    "notify": is_notified,
}


def node_trial(script: NodeScript, arena: Arena) -> Trial:
    return Trial(lambda *address: NodeBatch(script, *address), arena)


def bare(word: str) -> str:
    return word.strip(".,?!;:\"'").lower()


def assert_reference(arena: Arena, text: str) -> None:
    """The words that were said."""
    assert word_error_rate([arena.short.text], [text]) <= MAX_ERROR_PERCENT, text


def assert_subtitles(subtitles: str, text: str) -> None:
    """The same words, in cues with their times."""
    lines = subtitles.strip().splitlines()
    assert lines[0] == "1"
    cues = [line for line in lines if " --> " in line]
    assert cues
    assert cues == sorted(cues)
    shown = [line for line in lines if line and " --> " not in line and not line.isdecimal()]
    assert " ".join(shown).split() == text.split()


def _words(text: str) -> list[str]:
    return [word for word in map(bare, text.split()) if word]


async def _assert_gone(trial: Trial, job_id: str) -> None:
    assert_says_one(await refusal(trial.caller.status(job_id)), "not found", "NotFound")
    with pytest.raises(NotFound):
        await trial.arena.grpc.job(job_id)


def _with(**transcription: object) -> Config:
    return {**PLAIN, "transcription_config": {"language": "en", **transcription}}
