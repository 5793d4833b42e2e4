"""What every client of the OpenAI API must be able to do, each a cell of the matrix."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.support.clients.arena import ENGINES, Arena
from tests.support.clients.cell import assert_says, refusal
from tests.support.clients.node import NodeScript
from tests.support.clients.openai import NodeOpenAi, OpenAiCaller
from tests.support.clients.speechmatics_cells import assert_reference, assert_subtitles

MODEL: Final = "whisper-1"


@dataclass(slots=True)
class Trial:
    """As that of the clients of Speechmatics. `_text` is what the first call heard."""

    make: Callable[..., OpenAiCaller]
    arena: Arena
    _text: str = ""

    @property
    def caller(self) -> OpenAiCaller:
        return self.make(self.arena.url)

    async def ask(self, response_format: str, **fields: Any) -> Any:
        return await self.caller.transcribe(
            self.arena.short.path, model=MODEL, response_format=response_format, **fields
        )

    async def text(self) -> str:
        if not self._text:
            self._text = (await self.ask("json"))["text"]
        return self._text


async def submits(trial: Trial) -> None:
    assert_reference(trial.arena, await trial.text())


async def reads_json(trial: Trial) -> None:
    answer = await trial.ask("json")
    assert answer["text"] == await trial.text()
    assert abs(answer["usage"]["seconds"] - trial.arena.short.duration_s) < 1


async def reads_text(trial: Trial) -> None:
    assert await trial.ask("text") == f"{await trial.text()}\n"


async def reads_srt(trial: Trial) -> None:
    assert_subtitles(await trial.ask("srt"), await trial.text())


async def reads_vtt(trial: Trial) -> None:
    head, _, cues = (await trial.ask("vtt")).partition("\n\n")
    assert head == "WEBVTT"
    shown = [line for line in cues.splitlines() if line and " --> " not in line and not line.isdecimal()]
    assert " ".join(shown).split() == (await trial.text()).split()


async def reads_verbose_json(trial: Trial) -> None:
    answer = await trial.ask("verbose_json", timestamp_granularities=["word", "segment"])
    text = await trial.text()
    assert (answer["text"], answer["language"]) == (text, "english")
    assert [word["word"] for word in answer["words"]] == text.split()
    assert "".join(segment["text"] for segment in answer["segments"]).strip() == text


async def reads_a_stream(trial: Trial) -> None:
    *deltas, done = await trial.caller.streamed(trial.arena.short.path, model=MODEL)
    assert {event["type"] for event in deltas} == {"transcript.text.delta"}
    assert done["type"] == "transcript.text.done"
    assert "".join(event["delta"] for event in deltas) == done["text"] == await trial.text()


async def lists_models(trial: Trial) -> None:
    assert {model.name for model in await trial.arena.grpc.models()} <= set(await trial.caller.models())


async def is_told_that_the_server_is_busy(trial: Trial) -> None:
    async with trial.arena.busy():
        said = await refusal(trial.ask("json"))
    words = f"Server busy: 1 engines not available ({ENGINES} engines in use, {ENGINES} parallel allowed)"
    assert_says(said, "RateLimitError", "429", words)


async def needs_the_right_key(trial: Trial) -> None:
    wrong, right = (trial.make(trial.arena.keyed_url, key) for key in ("wrong", trial.arena.right_key))
    for call in (wrong.models(), wrong.transcribe(trial.arena.short.path, model=MODEL)):
        assert_says(await refusal(call), "AuthenticationError", "401")
    answer = await right.transcribe(trial.arena.short.path, model=MODEL)
    assert not isinstance(answer, str)
    assert_reference(trial.arena, answer["text"])


async def is_told_of_a_recording_that_cannot_be_read(trial: Trial) -> None:
    said = await refusal(trial.caller.transcribe(trial.arena.broken, model=MODEL))
    assert_says(said, "BadRequestError", "400")


async def is_told_who_speaks(trial: Trial) -> None:
    answer = await trial.ask("diarized_json")
    assert {segment["speaker"] for segment in answer["segments"]} == {"S1"}
    assert " ".join(segment["text"] for segment in answer["segments"]) == answer["text"] == await trial.text()


Cell = Callable[[Trial], Awaitable[None]]
CELLS: Final[Mapping[str, Cell]] = {
    "submit": submits,
    "json": reads_json,
    "txt": reads_text,
    "srt": reads_srt,
    "vtt": reads_vtt,
    "verbose": reads_verbose_json,
    "stream": reads_a_stream,
    "models": lists_models,
    "busy": is_told_that_the_server_is_busy,
    "key": needs_the_right_key,
    "broken": is_told_of_a_recording_that_cannot_be_read,
    "speaker": is_told_who_speaks,
}


def node_trial(script: NodeScript, arena: Arena) -> Trial:
    return Trial(lambda *address: NodeOpenAi(script, *address), arena)
