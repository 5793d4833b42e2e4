import asyncio

import numpy as np
import pytest

from stenod_server.domain.decoding import Decoding, Task, VocabularyEntry
from stenod_server.engine.fake import FakeEngine
from stenod_server.errors import EngineUnavailable, InvalidField
from stenod_server.ports import RecognitionRequest
from tests.support.eventually import eventually

REQUEST = RecognitionRequest("fake")


async def test_it_counts_windows_in_flight() -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    windows = [
        asyncio.create_task(engine.recognise(np.zeros(16_000, np.int16), REQUEST, timeout_s=9)) for _ in range(3)
    ]
    await eventually(lambda: engine.in_flight == 3)
    windows[0].cancel()
    await asyncio.gather(windows[0], return_exceptions=True)
    engine.gate.set()
    await asyncio.gather(*windows[1:])
    assert (engine.in_flight, engine.max_in_flight, engine.completed, engine.cancelled) == (0, 3, 2, 1)
    assert await engine.batch_statistics() == {1: 2}


async def test_failures_are_raised_in_turn() -> None:
    engine = FakeEngine(failures=[EngineUnavailable("first")])
    with pytest.raises(EngineUnavailable, match="first"):
        await engine.recognise(np.zeros(16_000, np.int16), REQUEST, timeout_s=9)
    assert len((await engine.recognise(np.zeros(16_000, np.int16), REQUEST, timeout_s=9)).words) == 1


async def test_readiness_is_what_the_test_says() -> None:
    engine = FakeEngine()
    engine.ready = False
    assert not engine.is_ready()


@pytest.mark.parametrize(
    "decoding",
    [
        Decoding(task=Task.TRANSLATE),
        Decoding(vocabulary=(VocabularyEntry("Aoife"),)),
        Decoding(beam_size=2),
        Decoding(prompt="Of harps."),
    ],
)
async def test_what_its_profile_does_not_promise_is_refused(decoding: Decoding) -> None:
    with pytest.raises(InvalidField):
        await FakeEngine().recognise(np.zeros(9, np.int16), RecognitionRequest("fake", decoding=decoding), timeout_s=9)
