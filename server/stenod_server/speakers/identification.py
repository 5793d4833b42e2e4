"""Identifiers of voices in and out of a job: whom it knows already, and what it gives of who spoke in it."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.diarization import KnownSpeaker
from stenod_server.domain.job import JobConfig
from stenod_server.domain.transcript import Speaker, Warning  # noqa: A004  the word the API uses
from stenod_server.ports import VoiceProfile
from stenod_server.speakers.identifiers import Owner, Refusal, SpeakerIdentifiers
from stenod_server.speakers.identify import KnownVoice, identify
from stenod_server.speakers.turns import SpeakerTurns, SpeakerVoice

LEAST_SPEECH_S: Final = 5.0  # of who gets an identifier: of less, no voice is told from another for sure
IGNORED: Final = "SPEAKER_IDENTIFIER_IGNORED"


class Identification:
    """What a job's end does about identifiers. Pure but for the secrets, which are looked at each time."""

    def __init__(self, identifiers: SpeakerIdentifiers) -> None:
        self._identifiers = identifiers

    def identified(
        self, turns: SpeakerTurns, config: JobConfig, tenant: str, profile: VoiceProfile
    ) -> tuple[SpeakerTurns, tuple[Warning, ...]]:
        """The turns with the labels of the job's known speakers, and a warning of each whose identifiers are not used.
        `profile` is of the model of voices that the turns were made with.
        """
        owner = Owner(tenant, config.user_id)
        known: list[KnownVoice] = []
        warnings: list[Warning] = []
        for speaker in config.diarization.known_speakers:
            opened = [self._identifiers.open(text, owner, profile) for text in speaker.identifiers]
            embeddings = tuple(one for one in opened if not isinstance(one, Refusal))
            if embeddings:
                known.append(KnownVoice(speaker.label, embeddings))
            if refusals := [one for one in opened if isinstance(one, Refusal)]:
                warnings.append(_warning(speaker, refusals))
        return identify(turns, known, sensitivity=config.diarization.sensitivity), tuple(warnings)

    def speakers_of(
        self, turns: SpeakerTurns, config: JobConfig, tenant: str, profile: VoiceProfile
    ) -> tuple[Speaker, ...]:
        """Who spoke, in order of appearance; with an identifier each where the job asks for them and there is speech
        enough of somebody.
        """
        asked = config.diarization.return_identifiers
        return tuple(
            Speaker(voice.label, (self.identifier_of(voice, config, tenant, profile),))
            if asked and voice.speech_samples >= LEAST_SPEECH_S * SAMPLE_RATE_HZ
            else Speaker(voice.label)
            for voice in turns.speakers
        )

    def identifier_of(self, voice: SpeakerVoice, config: JobConfig, tenant: str, profile: VoiceProfile) -> str:
        """Of however little speech."""
        return self._identifiers.seal(voice.centroid, Owner(tenant, config.user_id), profile)


def identification_of_its_own() -> Identification:
    """With a secret that nobody keeps: what it gives is of use to itself alone."""
    secret = secrets.token_bytes(32)
    return Identification(SpeakerIdentifiers(lambda: {1: secret}))


def _warning(speaker: KnownSpeaker, refusals: Sequence[Refusal]) -> Warning:
    """Says how many and why, and repeats none."""
    total = len(speaker.identifiers)
    counts: Mapping[Refusal, int] = {why: refusals.count(why) for why in Refusal if why in refusals}
    whys = "; ".join(f"{count} of {total}: {why}" for why, count in counts.items())
    return Warning(IGNORED, f"identifiers of the speaker {speaker.label!r} are not used: {whys}")
