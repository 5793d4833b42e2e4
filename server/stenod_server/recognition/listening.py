"""Listens to the first speech of a recording, to find out its language before all of it is recognised."""

from stenod_server.ports import AudioFrontEnd, Engine, Window
from stenod_server.recognition.language_choice import ChoiceRules, LanguageBallot, LanguageChoice
from stenod_server.recognition.pipeline import EngineSource, Recording


class Listener:
    """Keeps nothing between recordings, so one serves all jobs."""

    def __init__(self, engine: Engine, front_end: AudioFrontEnd) -> None:
        self._engine = engine
        self._front_end = front_end

    async def listen(self, recording: Recording, engines: EngineSource, rules: ChoiceRules) -> LanguageChoice:
        """Recognise windows from the start, one after the other, until the language is clear; each takes an engine.

        `recording.request` names a recogniser that identifies languages. Raises what `Pipeline.transcribe` raises.
        """
        ballot = LanguageBallot(rules)
        async with self._front_end.windows(recording.path, recording.plan) as items:
            async for item in items:
                if isinstance(item, Window):
                    await self._hear(item, recording, engines, ballot)
                if ballot.is_over:
                    break
        return ballot.choice

    async def _hear(self, window: Window, recording: Recording, engines: EngineSource, ballot: LanguageBallot) -> None:
        await engines.acquire()
        try:
            result = await self._engine.recognise(window.audio, recording.request, timeout_s=recording.window_timeout_s)
        finally:
            engines.release()
        ballot.vote(result, window_samples=window.keep_end_samples - window.keep_start_samples)
