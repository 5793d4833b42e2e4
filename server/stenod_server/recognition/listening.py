"""Listens to the first speech of a recording, to find out its language before all of it is recognised."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from stenod_server.ports import AudioFrontEnd, Engine, Window, WindowResult
from stenod_server.recognition.language_choice import ChoiceRules, LanguageBallot, LanguageChoice
from stenod_server.recognition.pipeline import EngineSource, Recording
from stenod_server.recognition.stitch import Frame


@dataclass(frozen=True, slots=True)
class Listened:
    """The language, and what was said in the windows that told it: `recording` is how they were recognised."""

    choice: LanguageChoice
    recording: Recording
    results: Mapping[Frame, WindowResult]

    def known_to(self, recording: Recording) -> Mapping[Frame, WindowResult]:
        """What need not be recognised again: where all is as it was, but that the language is named now which was heard
        then. What a window says depends on nothing else.
        """
        asked, then = recording.request, self.recording.request
        alike = replace(asked, decoding=asked.decoding.without(), language=then.language)
        if alike != then or recording.plan != self.recording.plan:
            return {}
        heard = self.results.items()
        return {frame: result for frame, result in heard if asked.language in {then.language, result.language}}


class Listener:
    """Keeps nothing between recordings, so one serves all jobs."""

    def __init__(self, engine: Engine, front_end: AudioFrontEnd) -> None:
        self._engine = engine
        self._front_end = front_end

    async def listen(self, recording: Recording, engines: EngineSource, rules: ChoiceRules) -> Listened:
        """Recognise windows from the start, one after the other, until the language is clear; each takes an engine.

        `recording.request` names a recogniser that identifies languages. Raises what `Pipeline.transcribe` raises.
        """
        ballot = LanguageBallot(rules)
        results: dict[Frame, WindowResult] = {}
        async with self._front_end.windows(recording.path, recording.plan) as items:
            async for item in items:
                if isinstance(item, Window):
                    frame = Frame.of(item)
                    results[frame] = result = await self._hear(item, recording, engines)
                    ballot.vote(result, window_samples=frame.kept_samples)
                if ballot.is_over:
                    break
        return Listened(ballot.choice, recording, results)

    async def _hear(self, window: Window, recording: Recording, engines: EngineSource) -> WindowResult:
        await engines.acquire()
        try:
            return await self._engine.recognise(window.audio, recording.request, timeout_s=recording.window_timeout_s)
        finally:
            engines.release()
