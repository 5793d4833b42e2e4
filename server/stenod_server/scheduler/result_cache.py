"""When a transcript may be used again: same tenant, same recording, same way to transcribe it, same recogniser."""

import hashlib
import importlib.metadata
import json
from collections.abc import Sequence
from dataclasses import asdict, astuple
from datetime import timedelta
from typing import Final

import structlog

from stenod_server.domain.audio import ChunkLengths
from stenod_server.domain.job import Job
from stenod_server.errors import StenodError
from stenod_server.ports import CacheKey, Clock, ModelProfile, VoiceProfile
from stenod_server.recognition import memory
from stenod_server.scheduler.routing import Route, Router

# What a job's config says that leaves its transcript as it is. All else is part of the key, what is added later too.
# `model` and `operating_point` are not: the recogniser that was chosen stands for them.
INDIFFERENT: Final = frozenset(
    {
        "deadline",
        "details_json",
        "keep_media",
        "max_parallel_engines",
        "model",
        "notifications",
        "operating_point",
        "origin",
        "parallel_engines",
        "priority",
        "reference",
        "subtitles",
        "tags",
        "title",
        "ttl",
        "user_id",
    }
)

_log = structlog.get_logger()


class ResultCache:
    """Makes the keys; the entries are the store's. `ttl` 0: there are none."""

    def __init__(self, router: Router, clock: Clock, ttl: timedelta, chunks: ChunkLengths) -> None:
        self._router = router
        self._clock = clock
        self._ttl = ttl
        self._chunks = chunks
        self._release = importlib.metadata.version("stenod")
        self._unknown: set[str] = set()  # recognisers of which it was said that they cannot be told from others

    async def key_of(self, job: Job) -> CacheKey | None:
        """The job's key as things stand. None: nothing of it may be used again, or it is not known by what it will be
        recognised.
        """
        if not self._ttl:
            return None
        try:
            return self.key(job, await self._router.route(job.config), await self._router.voices(job.config))
        except StenodError:  # whoever needs a route says so
            return None

    def key(self, job: Job, route: Route, voices: VoiceProfile | None) -> CacheKey | None:
        """The job's key where `route` recognises it and `voices`, if anybody, tells its speakers apart."""
        used: list[ModelProfile | VoiceProfile] = [route.profile, *([voices] if voices else [])]
        if not self._ttl or not job.media.sha256 or not all(map(self._is_known, used)):
            return None
        if job.config.diarization.has_to_do_with_identifiers:  # they are one user's, and of today's secrets
            return None
        models = [(profile.model, profile.revision) for profile in used]
        return CacheKey(self._digest(job, route, models), self._clock.now() - self._ttl)

    async def still(self, job: Job, key: CacheKey | None) -> CacheKey | None:
        """The key, unless the recogniser is another one by now: what it gave may then be of either."""
        now = await self.key_of(job)
        return key if key and now and key.digest == now.digest else None

    def _is_known(self, profile: ModelProfile | VoiceProfile) -> bool:
        model = profile.model
        if not profile.revision and model not in self._unknown:
            self._unknown.add(model)
            _log.warning("not_cached", model=model, why="its profile has no revision, or several Tritons differ in it")
        return bool(profile.revision)

    def _digest(self, job: Job, route: Route, models: Sequence[tuple[str, str]]) -> str:
        """SHA-256 of all that a transcript follows from."""
        profile = route.profile
        config = {name: value for name, value in asdict(job.config).items() if name not in INDIFFERENT}
        canonical = json.dumps(
            {
                "tenant": job.tenant,
                "media": job.media.sha256,
                "config": config,
                "language": route.language,
                "models": models,
                "windows": [profile.window_target_samples, profile.window_max_samples, *astuple(self._chunks)],
                "release": [self._release, memory.FORMAT],
            },
            sort_keys=True,
            separators=(",", ":"),
        )
        return hashlib.sha256(canonical.encode()).hexdigest()
