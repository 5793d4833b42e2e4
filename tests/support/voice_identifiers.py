"""Identifiers of voices through a whole node: given by one job, taken by later ones of the same user, by nobody else.

The same trials run with voices that are made up (in every test run) and with real ones (`tests.proofs.identification`).
"""

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import grpc
import httpx

from stenod.v1 import job_pb2, media_pb2, speaker_pb2
from stenod.v1 import transcription_service_pb2 as pb
from stenod.v1.transcription_service_pb2_grpc import TranscriptionServiceStub
from stenod_server.access.speaker_secrets import read_speaker_secrets
from stenod_server.app.node import Node
from stenod_server.ports import VoiceProfile
from stenod_server.speakers.identifiers import Owner, Refusal, SpeakerIdentifiers
from tests.support.credentials import make_key
from tests.support.eventually import eventually_so

OWNER: Final = "newsroom"
OTHER: Final = "archive"
USER: Final = "alice"
NAME: Final = "The host"
IGNORED: Final = "SPEAKER_IDENTIFIER_IGNORED"
FOREIGN: Final = "1 of 1: not this user's, or damaged"
OUTDATED: Final = "1 of 1: made with another model of voices"
GONE: Final = "1 of 1: made with a secret that is no longer there"
AT_ONCE: Final = 50  # identifiers of a job
JOB_S: Final = 300.0
UNLIMITED: Final = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
OLD_SECRET, NEW_SECRET = b"the secret of last year", b"the secret of this year"


@dataclass(frozen=True, slots=True)
class Heard:
    """What a job said of its speakers."""

    labels: Sequence[str]  # of its words, in order of appearance
    identifiers: Mapping[str, Sequence[str]]
    warnings: Sequence[str]  # of identifiers that were ignored


@dataclass(frozen=True, slots=True)
class Trial:
    """`is_known`: whether the label must be heard. `why`: what a warning must say; empty: there must be none."""

    name: str
    heard: Heard
    is_known: bool = True
    why: str = ""

    @property
    def is_passed(self) -> bool:
        said = any(self.why in warning for warning in self.heard.warnings) if self.why else not self.heard.warnings
        return said and (NAME in self.heard.labels) == self.is_known

    def __str__(self) -> str:
        warning = f": {' '.join(self.heard.warnings)}" if self.heard.warnings else ""
        return f"{'ok  ' if self.is_passed else 'FAIL'} {self.name:46} {', '.join(self.heard.labels)}{warning}"


@dataclass(frozen=True, slots=True)
class Desk:
    """A node that knows two tenants by their keys, and the directory of its secrets."""

    address: str
    http_address: str
    keys: Mapping[str, str]
    secrets_dir: Path
    pass_time: Callable[[], None]  # more than the node takes to look at its secrets again

    async def ask(
        self, recording: bytes, identifiers: Sequence[str] = (), *, tenant: str = OWNER, user_id: str = USER
    ) -> Heard:
        """The speaker with these identifiers is called NAME."""
        known = {NAME: identifiers} if identifiers else {}
        answer = await self.transcribe(recording, known, tenant=tenant, user_id=user_id)
        info = answer.job.transcript_info
        return Heard(
            list(dict.fromkeys(word.speaker for segment in answer.segments for word in segment.words)),
            {speaker.label: list(speaker.identifiers) for speaker in info.speakers},
            [warning.message for warning in info.warnings if warning.reason == IGNORED],
        )

    async def transcribe(
        self, recording: bytes, known: Mapping[str, Sequence[str]], *, tenant: str = OWNER, user_id: str = USER
    ) -> pb.TranscribeResponse:
        """Through gRPC; always asks for identifiers."""
        diarization = job_pb2.DiarizationConfig(
            mode=job_pb2.DIARIZATION_MODE_SPEAKER,
            return_speaker_identifiers=True,
            known_speakers=[speaker_pb2.KnownSpeaker(label=label, identifiers=ids) for label, ids in known.items()],
        )
        config = job_pb2.JobConfig(language="en", user_id=user_id, diarization=diarization)
        request = pb.TranscribeRequest(media=media_pb2.MediaSource(inline=recording), config=config)
        metadata = (("authorization", f"Bearer {self.keys[tenant]}"),)
        async with grpc.aio.insecure_channel(self.address, options=UNLIMITED) as channel:
            stub = TranscriptionServiceStub(channel)  # type: ignore[no-untyped-call]
            answer: pb.TranscribeResponse = await stub.Transcribe(request, metadata=metadata, timeout=JOB_S)
            return answer

    async def ask_in_speechmatics(self, recording: bytes, identifiers: Sequence[str] = (), *, user_id: str) -> Heard:
        """As `ask`, of the owner; warnings come in the job's log."""
        known = {"speakers": [{"label": NAME, "speaker_identifiers": list(identifiers)}]} if identifiers else {}
        config = {
            "type": "transcription",
            "transcription_config": {
                "language": "en",
                "diarization": "speaker",
                "speaker_diarization_config": {"get_speakers": True, **known},
            },
        }
        headers = {
            "Authorization": f"Bearer {self.keys[OWNER]}",
            "X-SM-Processing-Data": json.dumps({"user_id": user_id}),
        }
        files: list[tuple[str, Any]] = [("config", (None, json.dumps(config))), ("data_file", ("a.wav", recording))]
        url = f"http://{self.http_address}/v2"
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=JOB_S) as client:
            job_id = (await client.post("/jobs", files=files)).raise_for_status().json()["id"]
            await _until_done(client, job_id)
            transcript = (await client.get(f"/jobs/{job_id}/transcript")).raise_for_status().json()
            log = (await client.get(f"/jobs/{job_id}/log")).raise_for_status().text
        words = (result["alternatives"][0]["speaker"] for result in transcript["results"])
        return Heard(
            list(dict.fromkeys(words)),
            {one["label"]: one.get("speaker_identifiers", []) for one in transcript["speakers"]},
            [line.partition(f"{IGNORED}: ")[2] for line in log.splitlines() if IGNORED in line],
        )

    async def ask_in_openai(self, recording: bytes, reference: bytes) -> Heard:
        """NAME is the speaker of the other recording, of 2 to 10 s."""
        url = f"data:audio/flac;base64,{base64.b64encode(reference).decode()}"
        fields = {"model": "any", "response_format": "diarized_json", "known_speaker_names[]": NAME}
        async with httpx.AsyncClient(base_url=f"http://{self.http_address}/v1", timeout=JOB_S) as client:
            answer = await client.post(
                "/audio/transcriptions",
                data={**fields, "known_speaker_references[]": url},
                files={"file": ("a.wav", recording)},
                headers={"Authorization": f"Bearer {self.keys[OWNER]}"},
            )
        segments = answer.raise_for_status().json()["segments"]
        return Heard(list(dict.fromkeys(segment["speaker"] for segment in segments)), {}, [])

    def sealed_by(self, identifier: str, profile: VoiceProfile, other: VoiceProfile) -> str:
        """The same voice as if another model had made it."""
        identifiers = SpeakerIdentifiers(lambda: read_speaker_secrets(self.secrets_dir))
        embedding = identifiers.open(identifier, Owner(OWNER, USER), profile)
        assert not isinstance(embedding, Refusal), embedding
        return identifiers.seal(embedding, Owner(OWNER, USER), other)


@asynccontextmanager
async def open_desk(
    directory: Path, open_with: Callable[..., AbstractAsyncContextManager[Node]], pass_time: Callable[[], None]
) -> AsyncIterator[Desk]:
    """`open_with(**settings)` gives a context with a Node."""
    secrets_dir, access_file = directory / "secrets", directory / "access.toml"
    secrets_dir.mkdir()
    (secrets_dir / "s.1").write_bytes(OLD_SECRET)
    keys = {tenant: make_key(access_file, tenant) for tenant in (OWNER, OTHER)}
    settings: dict[str, Any] = {
        "access_file": access_file,
        "speaker_secrets_dir": secrets_dir,
        "http_listen": "127.0.0.1:0",
    }
    async with open_with(**settings) as node:
        yield Desk(node.address, node.http_address, keys, secrets_dir, pass_time)


async def try_identifiers(desk: Desk, enrolment: bytes, other: bytes, profile: VoiceProfile) -> AsyncIterator[Trial]:
    """`enrolment` and `other` are recordings of one person, alone. The last trials take the node's first secret out."""
    mine = await _enrolled(desk, enrolment)
    yield Trial("own identifier", await desk.ask(other, [mine]))
    yield Trial("own identifier among others", await desk.ask(other, ["rubbish", mine]), why="1 of 2: no speaker")
    yield _ignored("another user id", await desk.ask(other, [mine], user_id="bob"), FOREIGN)
    yield _ignored("no user id", await desk.ask(other, [mine], user_id=""), FOREIGN)
    yield _ignored("another tenant, the same user id", await desk.ask(other, [mine], tenant=OTHER), FOREIGN)
    for changed in ({"model": "other"}, {"revision": "other"}, {"dimensions": profile.dimensions + 1}):
        sealed = desk.sealed_by(mine, profile, replace(profile, **changed))  # type: ignore[arg-type]
        yield _ignored(f"another {next(iter(changed))} of voices", await desk.ask(other, [sealed]), OUTDATED)
    tampered = list(_tampered(mine))
    for first in range(0, len(tampered), AT_ONCE):
        some = tampered[first : first + AT_ONCE]
        name = f"tampered: bytes {first} to {first + len(some) - 1}, one in each"
        yield _ignored(name, await desk.ask(other, some), f" of {len(some)}: ")
    async for trial in _try_speechmatics(desk, enrolment, other, mine):
        yield trial
    async for trial in _try_rotation(desk, enrolment, other, mine):
        yield trial


async def _try_speechmatics(desk: Desk, enrolment: bytes, other: bytes, mine: str) -> AsyncIterator[Trial]:
    heard = await desk.ask_in_speechmatics(other, [mine], user_id=USER)
    yield Trial("Speechmatics: own identifier", heard)
    yield Trial("Speechmatics: its identifier in gRPC", await desk.ask(enrolment, _only(heard.identifiers)))
    heard = await desk.ask_in_speechmatics(other, [mine], user_id="bob")
    yield _ignored("Speechmatics: another user id", heard, FOREIGN)


async def _try_rotation(desk: Desk, enrolment: bytes, other: bytes, mine: str) -> AsyncIterator[Trial]:
    (desk.secrets_dir / "s.2").write_bytes(NEW_SECRET)
    desk.pass_time()
    yield Trial("rotated: a new secret, the old one kept", await desk.ask(other, [mine]))
    newest = await _enrolled(desk, enrolment)
    (desk.secrets_dir / "s.1").unlink()
    desk.pass_time()
    yield _ignored("rotated: the old secret removed", await desk.ask(other, [mine]), GONE)
    yield Trial("rotated: given with the new secret", await desk.ask(other, [newest]))


def _ignored(name: str, heard: Heard, why: str) -> Trial:
    return Trial(name, heard, is_known=False, why=why)


async def _enrolled(desk: Desk, recording: bytes) -> str:
    (identifier,) = _only((await desk.ask(recording)).identifiers)
    return identifier


def _only(identifiers: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Those of the one speaker who has any."""
    (one,) = (each for each in identifiers.values() if each)
    return one


def _tampered(identifier: str) -> Iterator[str]:
    """With each of its bytes flipped."""
    sealed = base64.urlsafe_b64decode(identifier + "=" * (-len(identifier) % 4))
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 0xFF
        yield base64.urlsafe_b64encode(changed).rstrip(b"=").decode()


async def _until_done(client: httpx.AsyncClient, job_id: str) -> None:
    async def is_done() -> bool:
        status = (await client.get(f"/jobs/{job_id}")).raise_for_status().json()["job"]["status"]
        assert status != "rejected"
        return bool(status == "done")

    await eventually_so(is_done, timeout_s=JOB_S)
