"""Speakers who are known by recordings of their voices: `known_speaker_names[]` with `known_speaker_references[]`."""

import base64
import binascii
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from stenod_server.domain import job_rules
from stenod_server.domain.diarization import DiarizationMode, KnownSpeaker
from stenod_server.domain.job import JobConfig
from stenod_server.errors import InvalidField, LimitExceeded
from stenod_server.rest.received import ReceivedForm
from stenod_server.rest.services import Services
from stenod_server.scheduler.enrolment import Reference

NAMES: Final = "known_speaker_names"
REFERENCES: Final = "known_speaker_references"
MAX_KNOWN: Final = 4
_DATA_URL: Final = re.compile(r"data:[^,]{0,200};base64,", re.ASCII)


@dataclass(frozen=True, slots=True)
class KnownByVoice:
    """`field` is the place of the recording in the form."""

    name: str
    field: str
    recording: bytes


def read_references(form: ReceivedForm) -> Sequence[KnownByVoice]:
    """In their order. Raises InvalidField, LimitExceeded."""
    names, references = form.all(NAMES, f"{NAMES}[]"), form.all(REFERENCES, f"{REFERENCES}[]")
    if len(names) != len(references):
        raise InvalidField(NAMES, f"needs a recording for each: {len(names)} names, {len(references)} {REFERENCES}")
    if len(names) > MAX_KNOWN:
        raise LimitExceeded(NAMES, limit="known speakers of this API", allowed=MAX_KNOWN, actual=len(names))
    # The recordings stand for the identifiers that they become.
    job_rules.known_speakers(NAMES, [KnownSpeaker(name, ("recording",)) for name in names])
    fields = [f"{REFERENCES}.{place}" for place in range(len(references))]
    pairs = zip(names, fields, references, strict=True)
    return [KnownByVoice(name, field, _decoded(field, reference)) for name, field, reference in pairs]


async def enrolled(services: Services, known: Sequence[KnownByVoice], config: JobConfig, tenant: str) -> JobConfig:
    """The config with what the recordings say. Raises what `Intake.store` and `Scheduler.enrol` raise."""
    if known and config.diarization.mode is not DiarizationMode.SPEAKER:
        raise InvalidField(NAMES, "goes with response_format diarized_json")
    speakers = []
    for one in known:
        media = await services.intake.store(_chunks(one.recording), field=one.field)
        try:
            identifier = await services.scheduler.enrol(Reference(media.key, one.field), config, tenant)
        finally:
            await services.intake.discard(media)
        speakers.append(KnownSpeaker(one.name, (identifier,)))
    return replace(config, diarization=replace(config.diarization, known_speakers=tuple(speakers)))


def _decoded(field: str, reference: str) -> bytes:
    head = _DATA_URL.match(reference)
    if head is None:
        raise InvalidField(field, "must be a data URL in base64, as data:audio/wav;base64,…")
    try:
        return base64.b64decode(reference[head.end() :], validate=True)
    except (ValueError, binascii.Error) as error:
        raise InvalidField(field, "is no base64 behind its comma") from error


async def _chunks(recording: bytes) -> AsyncIterator[bytes]:
    yield recording
