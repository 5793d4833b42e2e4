"""What TritonEngine makes of several Tritons: targets that answer for themselves, connected to nothing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from stenod_server.engine.fake import FAKE_PROFILE, FAKE_VOICE_PROFILE
from stenod_server.engine.target import Health, Loaded, Target
from stenod_server.engine.triton import TritonEngine
from stenod_server.errors import ContractViolation, EngineUnavailable, ModelNotFound
from stenod_server.ports import Int16Audio, VoiceProfile, WindowVoices

OLD, NEW = (replace(FAKE_VOICE_PROFILE, revision=revision) for revision in ("old", "new"))
VOICES = FAKE_VOICE_PROFILE.model


class _Answering(Target):
    """Counts the windows it was asked the voices of."""

    asked = 0

    async def voices(
        self, audio: Int16Audio, profile: VoiceProfile, *, interactive: bool, timeout_s: float
    ) -> WindowVoices:
        del audio, profile, interactive, timeout_s
        self.asked += 1
        return WindowVoices((), ())


@dataclass
class _Site:
    engine: TritonEngine
    first: _Answering
    second: _Answering

    async def hear(self, revision: str) -> None:
        window = np.zeros(9, np.int16)
        await self.engine.voices(window, VOICES, revision=revision, interactive=False, timeout_s=1.0)


def _loads(target: Target, profile: VoiceProfile) -> None:
    target.loaded = Loaded({"fake": FAKE_PROFILE}, {VOICES: profile})


@pytest.fixture
async def site(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[_Site]:
    """Two good Tritons with a model of voices each, of two revisions. Nothing checks them."""
    monkeypatch.setattr("stenod_server.engine.fleet.Target", _Answering)
    monkeypatch.setattr("stenod_server.engine.fleet.watch", _no_watch)
    engine = TritonEngine(["127.0.0.1:1", "127.0.0.1:2"])
    await engine.start()
    first, second = engine._fleet.targets
    assert isinstance(first, _Answering)
    assert isinstance(second, _Answering)
    for target, profile in ((first, OLD), (second, NEW)):
        _loads(target, profile)
        target.health = Health.GOOD
        engine._fleet._on_check(target.url, None)
    yield _Site(engine, first, second)
    await engine.close()


async def _no_watch(*_arguments: object) -> None:
    """In place of `watch`."""


async def test_voices_go_to_the_revision_that_was_asked_for_alone(site: _Site) -> None:
    profile = (await site.engine.voice_profiles())[VOICES]
    assert profile == OLD
    for _window in range(5):
        await site.hear(profile.revision)
    assert (site.first.asked, site.second.asked) == (5, 0)
    await site.hear("new")
    assert (site.first.asked, site.second.asked) == (5, 1)


async def test_a_revision_that_is_gone_fails_in_passing_and_the_next_attempt_takes_the_other(site: _Site) -> None:
    _loads(site.first, NEW)
    with pytest.raises(EngineUnavailable, match="'old'") as raised:
        await site.hear("old")
    assert not raised.value.absent  # PatientEngine would wait for it without end
    assert (await site.engine.voice_profiles())[VOICES] == NEW
    await site.hear("new")


async def test_a_revision_whose_triton_is_away_is_not_waited_for_where_there_is_another(site: _Site) -> None:
    site.first.health = Health.ASIDE
    with pytest.raises(EngineUnavailable, match="'old'") as raised:
        await site.hear("old")
    assert not raised.value.absent
    site.second.health = Health.ASIDE
    with pytest.raises(EngineUnavailable, match="no Triton is ready") as raised:
        await site.hear("old")
    assert raised.value.absent


async def test_a_model_of_voices_that_is_broken_everywhere_is_waited_for(site: _Site) -> None:
    broken = Loaded({"fake": FAKE_PROFILE}, {}, {VOICES: ContractViolation("no embeddings")})
    site.first.loaded = broken
    assert (await site.engine.voice_profiles())[VOICES] == NEW
    site.second.loaded = broken
    with pytest.raises(EngineUnavailable, match="no embeddings"):
        await site.engine.voice_profiles()
    with pytest.raises(EngineUnavailable):
        await site.hear("new")
    assert list(await site.engine.profiles()) == ["fake"]


async def test_a_model_of_voices_that_never_was_is_not_found(site: _Site) -> None:
    with pytest.raises(ModelNotFound):
        await site.engine.voices(np.zeros(9, np.int16), "nobody", revision="", interactive=False, timeout_s=1.0)
