"""A transcript is used again where it would come out the same: the recogniser is not asked again, by its own count."""

import asyncio
import hashlib
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from stenod_server.domain.audio import ChunkLengths
from stenod_server.domain.capacity import Admission
from stenod_server.domain.decoding import Decoding, Hint, Option, Task, VocabularyEntry
from stenod_server.domain.diarization import Diarization, DiarizationMode, KnownSpeaker
from stenod_server.domain.formatting import Formatting
from stenod_server.domain.job import Job, JobConfig, JobState, LowConfidenceAction, Media, Origin, RemoteMedia
from stenod_server.domain.notification import Notification
from stenod_server.domain.quota import TenantLimits
from stenod_server.domain.rendering import SubtitleShape
from stenod_server.domain.transcript import Segment
from stenod_server.domain.transcript import Warning as JobWarning
from stenod_server.engine.fake import FAKE_PROFILE, FAKE_VOICE_PROFILE, FakeEngine
from stenod_server.errors import EnginesUnsatisfiable, QuotaExceeded, StoreUnavailable
from stenod_server.ports import JobStore, ModelProfile, VoiceProfile
from stenod_server.scheduler.result_cache import INDIFFERENT, ResultCache
from stenod_server.scheduler.routing import Route, Router, RoutingTable
from stenod_server.scheduler.scheduler import Submission
from tests.support.builders import START, FakeClock, make_job
from tests.support.eventually import eventually, settle
from tests.unit.scheduler.rig import TENANT, Rig, open_rig

KNOWN = replace(FAKE_PROFILE, revision="r1")
CACHE: dict[str, Any] = {"cache_ttl": timedelta(hours=1)}
MEDIA = Media(key="media/same", size_bytes=4, sha256="5a" * 32)
DEFAULT_CHUNKS = ChunkLengths()
WINDOWS = 3  # of the rig's recordings

# Every field of a config and another value of it. A new field belongs in here, and in INDIFFERENT where the transcript
# does not follow from it.
SHAPING = {
    "language": "de",
    "start_s": 1.0,
    "end_s": 9.0,
    "formatting": Formatting(punctuation=False),
    "diarization": Diarization(mode=DiarizationMode.SPEAKER),
    "warnings": (JobWarning("W", "w"),),
    "expected_languages": ("de",),
    "expected_hint": "languages",
    "low_confidence_action": LowConfidenceAction.REJECT,
    "default_language": "de",
    "decoding": Decoding(beam_size=2),
}
DECODINGS = {
    "task": Task.TRANSLATE,
    "vocabulary": (VocabularyEntry("Aoife"),),
    "beam_size": 3,
    "prompt": "Of harps.",
    "mark_bias": -2.0,
    "hints": (Hint(Option.PROMPT, "prompt"),),
}
OTHER_VALUES: dict[str, Any] = {
    **SHAPING,
    "deadline": timedelta(hours=1),
    "details_json": "{}",
    "keep_media": True,
    "max_parallel_engines": 3,
    "model": "fake",
    "notifications": (Notification(url="https://example.org"),),
    "operating_point": "standard",
    "origin": Origin("speechmatics"),
    "parallel_engines": 2,
    "priority": 1,
    "reference": "r",
    "subtitles": SubtitleShape(max_lines=1),
    "tags": ("t",),
    "title": "t",
    "ttl": timedelta(hours=1),
    "user_id": "u",
}


def _engine(*profiles: ModelProfile) -> FakeEngine:
    return FakeEngine(profiles or (KNOWN,))


def _profile(rig: Rig, profile: ModelProfile) -> None:
    """The recogniser is another one from now on, and the node notices."""
    rig.engine._profiles = {profile.model: profile}
    rig.clock.advance(60)


async def _media(rig: Rig) -> Media:
    """The same recording, under a key of its own."""
    return replace(await rig.media(), sha256=MEDIA.sha256)


async def _submit(rig: Rig, **how: Any) -> Job:
    return await rig.submit(media=await _media(rig), **how)


async def _transcribed(rig: Rig, **how: Any) -> Job:
    job = await _submit(rig, **how)
    done = await rig.scheduler.wait(job.tenant, job.job_id)
    assert done.state is JobState.SUCCEEDED
    return done


async def _segments(rig: Rig, job: Job) -> list[Segment]:
    return [segment async for segment in rig.scheduler.segments(job)]


def _is_copy(job: Job) -> bool:
    assert job.info is not None
    return job.info.from_cache


# --- the key --------------------------------------------------------------------------------------------------------


def _digest(
    job: Job,
    profile: ModelProfile = KNOWN,
    language: str = "en",
    *,
    chunks: ChunkLengths = DEFAULT_CHUNKS,
    voices: VoiceProfile | None = None,
) -> str:
    clock = FakeClock()
    router = Router(_engine(), clock, RoutingTable(preferred=("fake",)))
    cache = ResultCache(router, clock, timedelta(hours=1), chunks)
    key = cache.key(job, Route(profile, language), voices)
    assert key is not None
    assert key.since == START - timedelta(hours=1)
    return key.digest


def test_every_field_of_a_config_is_said_to_matter_or_not() -> None:
    assert set(OTHER_VALUES) == {field.name for field in fields(JobConfig)}
    assert set(OTHER_VALUES) - set(SHAPING) == INDIFFERENT


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_the_key_follows_from_what_matters_alone(name: str) -> None:
    job = make_job(config=JobConfig())
    other = replace(job, config=replace(job.config, **{name: OTHER_VALUES[name]}))
    assert other.config != job.config
    assert (_digest(job) != _digest(other)) == (name in SHAPING)


def test_the_key_follows_from_all_that_is_asked_of_the_recogniser() -> None:
    assert set(DECODINGS) == {field.name for field in fields(Decoding)}
    entries = (("Aoife", ("eefa",), 2.0), ("Aoife", (), 3.0), ("aoife", (), 2.0))
    asked = [Decoding(), *(replace(Decoding(), **{name: value}) for name, value in DECODINGS.items())]  # type: ignore[arg-type]
    asked += [Decoding(vocabulary=(VocabularyEntry(*entry),)) for entry in entries]
    job = make_job()
    digests = {_digest(replace(job, config=replace(job.config, decoding=decoding))) for decoding in asked}
    assert len(digests) == len(asked)


def test_the_key_follows_from_tenant_recording_and_recogniser() -> None:
    job = make_job()
    digests = {
        _digest(job),
        _digest(replace(job, tenant="other")),
        _digest(replace(job, media=MEDIA)),
        _digest(job, language="auto"),
        _digest(job, replace(KNOWN, revision="r2")),
        _digest(job, replace(KNOWN, model="fake-2")),
        _digest(job, replace(KNOWN, window_target_samples=1)),
        _digest(job, chunks=ChunkLengths(left_samples=0)),
        _digest(job, voices=FAKE_VOICE_PROFILE),
        _digest(job, voices=replace(FAKE_VOICE_PROFILE, revision="2")),
        _digest(job, voices=replace(FAKE_VOICE_PROFILE, model="others")),
    }
    assert len(digests) == 11
    assert _digest(replace(job, job_id="another", request_id="r")) in digests
    assert _digest(job, replace(KNOWN, instances=9, default_engines=99)) in digests


@pytest.mark.parametrize(
    "asked", [{"return_identifiers": True}, {"known_speakers": (KnownSpeaker("Alice", ("identifier",)),)}]
)
def test_what_is_one_users_voice_has_no_key(asked: dict[str, Any]) -> None:
    diarization = Diarization(mode=DiarizationMode.SPEAKER, **asked)
    job = make_job(config=JobConfig(diarization=diarization))
    cache = ResultCache(Router(_engine(), FakeClock(), RoutingTable()), FakeClock(), timedelta(hours=1), DEFAULT_CHUNKS)
    assert cache.key(job, Route(KNOWN, "en"), FAKE_VOICE_PROFILE) is None


def test_a_model_of_voices_that_is_not_known_gives_no_key() -> None:
    cache = ResultCache(Router(_engine(), FakeClock(), RoutingTable()), FakeClock(), timedelta(hours=1), DEFAULT_CHUNKS)
    assert cache.key(make_job(), Route(KNOWN, "en"), replace(FAKE_VOICE_PROFILE, revision="")) is None


# --- at submit ------------------------------------------------------------------------------------------------------


async def test_the_same_recording_is_recognised_once(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_engine(), **CACHE) as rig:
        first = await _transcribed(rig)
        copy = await _submit(rig, tags=("mine",), title="t", user_id="u", ttl=timedelta(hours=2), request_id="once")
        assert rig.engine.completed == WINDOWS
        assert (copy.state, copy.job_id != first.job_id) == (JobState.SUCCEEDED, True)
        assert (_is_copy(first), _is_copy(copy)) == (False, True)
        assert (copy.config.tags, copy.config.title, copy.attempt) == (("mine",), "t", 0)
        assert copy.expire_time == rig.clock.now() + timedelta(hours=2)
        assert await _segments(rig, copy) == await _segments(rig, first)
        assert await _segments(rig, copy)
        assert rig.seen.events[-2:] == [f"submitted {copy.job_id}", f"SUCCEEDED {copy.job_id}"]
        assert await _submit(rig, tags=("mine",), title="t", user_id="u", ttl=timedelta(hours=2), request_id="once")
        assert [update.job async for update in rig.scheduler.watches.watch(TENANT, copy.job_id)] == [copy]


async def test_off_is_the_default(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_engine()) as rig:
        await _transcribed(rig)
        assert not _is_copy(await _transcribed(rig))
        assert rig.engine.completed == 2 * WINDOWS


async def test_another_tenant_is_recognised_anew(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_engine(), **CACHE) as rig:
        await _transcribed(rig, tenant="a")
        assert not _is_copy(await _transcribed(rig, tenant="b"))
        assert rig.engine.completed == 2 * WINDOWS
        assert _is_copy(await _transcribed(rig, tenant="a"))
        assert _is_copy(await _transcribed(rig, tenant="b"))


async def test_another_way_to_transcribe_is_recognised_anew(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_engine(), **CACHE) as rig:
        await _transcribed(rig, language="en")
        assert not _is_copy(await _transcribed(rig, language="en", formatting=Formatting(punctuation=False)))
        assert not _is_copy(await _transcribed(rig, language="de"))
        assert _is_copy(await _transcribed(rig, language="en", model="fake"))


async def test_it_is_used_again_only_so_long(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_engine(), **CACHE) as rig:
        await _transcribed(rig)
        rig.clock.advance(3600)
        assert _is_copy(await _transcribed(rig))
        rig.clock.advance(1)  # a copy makes it no younger
        assert not _is_copy(await _transcribed(rig))


async def test_deleting_the_source_ends_it(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_engine(), **CACHE) as rig:
        first = await _transcribed(rig)
        copy = await _transcribed(rig)
        await rig.scheduler.delete(TENANT, first.job_id)
        assert await _segments(rig, copy)
        assert not _is_copy(await _transcribed(rig))


async def test_a_copy_needs_neither_engine_nor_quota(tmp_path: Path) -> None:
    tenants = {TENANT: TenantLimits(max_queued_jobs=1, max_running_engines=1, audio_hours_per_day=0.001)}
    engine = _engine()
    async with open_rig(tmp_path, engine=engine, admission=Admission.REJECT, tenants=tenants, **CACHE) as rig:
        await _transcribed(rig)
        with pytest.raises(QuotaExceeded):
            await rig.submit()  # another recording
        engine.ready = False
        copy = await _submit(rig, parallel_engines=4)
        assert _is_copy(copy)
        assert rig.scheduler._slots.table.reserved == 0
        with pytest.raises(EnginesUnsatisfiable):
            await _submit(rig, parallel_engines=5)  # what is wrong stays wrong


async def test_a_copy_is_no_work_to_measure_speed_by(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_engine(), **CACHE) as rig:
        await _transcribed(rig)
        measured = rig.scheduler._dispatcher.speed._finished
        await eventually(lambda: len(measured) == 1)
        assert _is_copy(await _transcribed(rig))
        await settle()
        assert len(measured) == 1


# --- the recogniser -------------------------------------------------------------------------------------------------


async def test_another_revision_of_the_recogniser_is_asked_anew(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_engine(), **CACHE) as rig:
        await _transcribed(rig)
        _profile(rig, replace(KNOWN, revision="r2"))
        assert not _is_copy(await _transcribed(rig))
        assert _is_copy(await _transcribed(rig))


async def test_a_recogniser_without_a_revision_is_always_asked(tmp_path: Path) -> None:
    async with open_rig(tmp_path, engine=_engine(FAKE_PROFILE), **CACHE) as rig:
        await _transcribed(rig)
        assert not _is_copy(await _transcribed(rig))


async def test_a_transcript_of_two_revisions_is_of_neither(tmp_path: Path) -> None:
    engine = _engine()
    engine.gate = asyncio.Event()
    async with open_rig(tmp_path, engine=engine, **CACHE) as rig:
        mixed = await _submit(rig)
        await eventually(lambda: engine.in_flight == WINDOWS)
        _profile(rig, replace(KNOWN, revision="r2"))
        engine.gate.set()
        assert (await rig.scheduler.wait(TENANT, mixed.job_id)).state is JobState.SUCCEEDED
        assert not _is_copy(await _transcribed(rig))
        _profile(rig, KNOWN)
        assert not _is_copy(await _transcribed(rig))


# --- when it runs ---------------------------------------------------------------------------------------------------


async def test_fetched_media_is_recognised_once(tmp_path: Path) -> None:
    uris = ["https://example.org/a.mp3", "https://example.org/b.mp3"]
    async with open_rig(tmp_path, engine=_engine(), **CACHE) as rig:
        rig.fetcher.media = dict.fromkeys(uris, b"RIFF" * 100)
        done = []
        for uri in uris:
            media = Media(key="", remote=RemoteMedia(uri=uri))
            job = await rig.scheduler.submit(TENANT, Submission(config=JobConfig()), media)
            assert job.state is JobState.QUEUED
            done.append(await rig.scheduler.wait(TENANT, job.job_id))
        assert [_is_copy(job) for job in done] == [False, True]
        assert rig.engine.completed == WINDOWS
        assert done[1].media.sha256 == hashlib.sha256(b"RIFF" * 100).hexdigest()
        assert await _segments(rig, done[1]) == await _segments(rig, done[0])
        assert rig.scheduler._slots.table.reserved == 0
        assert f"SUCCEEDED {done[1].job_id}" in rig.seen.events


async def test_jobs_that_wait_together_are_recognised_once(tmp_path: Path) -> None:
    engine = _engine()
    engine.gate = asyncio.Event()
    async with open_rig(tmp_path, engine=engine, max_engines=1, **CACHE) as rig:
        jobs = [await _submit(rig) for _ in range(10)]
        engine.gate.set()
        done = [await rig.scheduler.wait(TENANT, job.job_id) for job in jobs]
        assert [_is_copy(job) for job in done] == [False] + [True] * 9
        assert engine.completed == WINDOWS


class _BrokenCache:
    """A job store that answers everything but `reuse`."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def reuse(self, *_args: object, **_named: object) -> None:
        self.asked += 1
        raise StoreUnavailable("the connection broke")


async def test_a_cache_that_does_not_answer_fails_no_job(tmp_path: Path) -> None:
    made: list[_BrokenCache] = []

    def around(store: JobStore) -> JobStore:
        made.append(_BrokenCache(store))
        return cast("JobStore", made[0])

    async with open_rig(tmp_path, engine=_engine(), around=around, **CACHE) as rig:
        done = await _transcribed(rig)
        assert (done.failures, made[0].asked) == (0, 1)


class _Turnstile(asyncio.Event):
    """Lets one pass whenever it is set."""

    async def wait(self) -> Literal[True]:
        await super().wait()
        self.clear()
        return True


async def test_what_went_on_behind_a_checkpoint_is_not_used_again(tmp_path: Path) -> None:
    engine = _engine()
    async with open_rig(tmp_path, engine=engine, elastic=False, **CACHE) as rig:
        engine.gate = _Turnstile()
        job = await _submit(rig)
        await rig.runs(job)
        engine.gate.set()
        await eventually(lambda: engine.completed >= 1)
        await settle(50)  # the window is on its way into the transcript
        await rig.scheduler.drain(0.0)
        handed_back = await rig.scheduler.get(TENANT, job.job_id)
        assert handed_back.state is JobState.QUEUED
        assert handed_back.checkpoint is not None
        async with open_rig(tmp_path, engine=_engine(), stores=rig.stores, **CACHE) as other:
            done = await other.scheduler.wait(TENANT, job.job_id)
            assert done.state is JobState.SUCCEEDED
            assert other.engine.completed < WINDOWS
            assert not _is_copy(await _transcribed(other))
