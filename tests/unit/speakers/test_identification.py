"""Which speakers are known, what is said of identifiers that are no good, and who gets one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from stenod_server.domain.audio import SAMPLE_RATE_HZ
from stenod_server.domain.diarization import Diarization, DiarizationMode, KnownSpeaker
from stenod_server.domain.job import JobConfig
from stenod_server.domain.transcript import Speaker
from stenod_server.ports import Embedding, VoiceProfile
from stenod_server.speakers.identification import Identification, identification_of_its_own
from stenod_server.speakers.identifiers import SpeakerIdentifiers
from stenod_server.speakers.identify import SAME_VOICE, KnownVoice, identify
from stenod_server.speakers.turns import SpeakerTurns, SpeakerVoice

MODEL = VoiceProfile(
    model="voices", family="voices", window_max_samples=480_000, dimensions=8, max_batch_size=8, instances=1,
    revision="r1",
)  # fmt: skip
LONG, SHORT = 5 * SAMPLE_RATE_HZ, 5 * SAMPLE_RATE_HZ - 1


def towards(number: int, cosine: float = 1.0) -> Embedding:
    """A direction whose cosine with that of `number` is as given, and 0 with those of all others below 7."""
    direction = np.zeros(8, np.float32)
    direction[number], direction[7] = cosine, np.sqrt(1 - cosine**2)
    return direction


def turns_of(*centroids: Embedding, speech_samples: int = LONG) -> SpeakerTurns:
    voices = (SpeakerVoice(f"S{number}", one, speech_samples) for number, one in enumerate(centroids, start=1))
    return SpeakerTurns(tuple(voices), ())


def labels(turns: SpeakerTurns) -> list[str]:
    return [speaker.label for speaker in turns.speakers]


def known(**embeddings: Embedding) -> Sequence[KnownVoice]:
    return [KnownVoice(label, (embedding,)) for label, embedding in embeddings.items()]


# --- who is who -----------------------------------------------------------------------------------------------------


def test_who_is_known_gets_the_label_and_the_others_are_counted_without_them() -> None:
    turns = turns_of(towards(0), towards(1), towards(2), towards(3))
    found = identify(turns, known(Bob=towards(2), Nobody=towards(5), Alice=towards(0)))
    assert labels(found) == ["Alice", "S1", "Bob", "S2"]


def test_nobody_is_known_below_the_threshold() -> None:
    assert labels(identify(turns_of(towards(0, SAME_VOICE - 0.01)), known(Alice=towards(0)))) == ["S1"]
    assert labels(identify(turns_of(towards(0, SAME_VOICE + 0.01)), known(Alice=towards(0)))) == ["Alice"]


def test_a_low_sensitivity_prefers_who_is_known() -> None:
    turns = turns_of(towards(0, SAME_VOICE - 0.04))
    assert labels(identify(turns, known(Alice=towards(0)), sensitivity=0.0)) == ["Alice"]
    assert labels(identify(turns, known(Alice=towards(0)), sensitivity=0.5)) == ["S1"]
    turns = turns_of(towards(0, SAME_VOICE + 0.04))
    assert labels(identify(turns, known(Alice=towards(0)), sensitivity=1.0)) == ["S1"]


def test_no_two_speakers_are_the_same_person_and_the_most_alike_is_it() -> None:
    turns = turns_of(towards(0, 0.6), towards(0, 0.9), towards(1))
    assert labels(identify(turns, known(Alice=towards(0)))) == ["S1", "Alice", "S2"]


def test_no_speaker_is_two_persons_and_the_second_best_match_is_made_where_the_best_is_taken() -> None:
    alice, twin = towards(0), towards(0, 0.95)
    turns = turns_of(towards(0, 0.9), towards(0))
    assert labels(identify(turns, known(Twin=twin, Alice=alice))) == ["Twin", "Alice"]
    assert labels(identify(turns_of(alice), known(Twin=twin, Alice=alice))) == ["Alice"]


def test_several_identifiers_are_heard_as_one() -> None:
    between = (towards(3) + towards(0)) / np.float32(np.sqrt(2))
    turns = turns_of(towards(0), between)
    assert labels(identify(turns, [KnownVoice("Alice", (towards(3), towards(0)))])) == ["S1", "Alice"]
    assert labels(identify(turns_of(towards(0)), [KnownVoice("Alice", (towards(3), towards(0)))])) == ["Alice"]
    assert labels(identify(turns, [KnownVoice("Opposites", (towards(0), -towards(0)))])) == ["S1", "S2"]


def test_a_recording_without_speakers_or_a_job_without_known_ones_is_left_alone() -> None:
    nobody, somebody = turns_of(), turns_of(towards(0))
    assert identify(nobody, known(Alice=towards(0))) is nobody
    assert identify(somebody, []) is somebody


# --- in and out of jobs ---------------------------------------------------------------------------------------------


def config(*speakers: KnownSpeaker, user_id: str = "alice", give: bool = True) -> JobConfig:
    diarization = Diarization(mode=DiarizationMode.SPEAKER, return_identifiers=give, known_speakers=speakers)
    return JobConfig(diarization=diarization, user_id=user_id)


def given(identification: Identification, *centroids: Embedding, user_id: str = "alice") -> list[str]:
    speakers = identification.speakers_of(turns_of(*centroids), config(user_id=user_id), "acme", MODEL)
    return [identifier for speaker in speakers for identifier in speaker.identifiers]


def test_what_one_job_gives_a_later_one_knows() -> None:
    identification = identification_of_its_own()
    first, second = given(identification, towards(0), towards(1))
    asked = config(KnownSpeaker("Bob", (second,)), KnownSpeaker("Alice", (first,)))
    turns, warnings = identification.identified(turns_of(towards(1), towards(4), towards(0)), asked, "acme", MODEL)
    assert labels(turns) == ["Bob", "S1", "Alice"]
    assert warnings == ()
    named = identification.speakers_of(turns, asked, "acme", MODEL)
    assert [speaker.label for speaker in named] == ["Bob", "S1", "Alice"]
    assert all(len(speaker.identifiers) == 1 for speaker in named)


@pytest.mark.parametrize(
    ("tenant", "user_id", "profile", "why"),
    [
        ("acme", "bob", MODEL, "not this user's, or damaged"),
        ("other", "alice", MODEL, "not this user's, or damaged"),
        ("acme", "alice", replace(MODEL, revision="r2"), "made with another model of voices"),
    ],
)
def test_what_is_no_good_is_ignored_with_a_warning_that_says_whose_and_why(
    tenant: str, user_id: str, profile: VoiceProfile, why: str
) -> None:
    identification = identification_of_its_own()
    (identifier,) = given(identification, towards(0))
    asked = config(KnownSpeaker("Alice", (identifier,)), user_id=user_id)
    turns, (warning,) = identification.identified(turns_of(towards(0)), asked, tenant, profile)
    assert labels(turns) == ["S1"]
    assert warning.reason == "SPEAKER_IDENTIFIER_IGNORED"
    assert warning.message.startswith(f"identifiers of the speaker 'Alice' are not used: 1 of 1: {why}")
    assert identifier not in warning.message


def test_a_secret_that_is_gone_is_said_and_what_else_is_good_is_used() -> None:
    secrets = {1: b"one secret of many bytes", 2: b"two secret of many bytes"}
    old = Identification(SpeakerIdentifiers(lambda: {1: secrets[1]}))
    new = Identification(SpeakerIdentifiers(lambda: {2: secrets[2]}))
    (gone,), (good,) = given(old, towards(1)), given(new, towards(0))
    asked = config(KnownSpeaker("Alice", (gone, "rubbish", good, gone)), KnownSpeaker("Bob", (good,)))
    turns, (warning,) = new.identified(turns_of(towards(0)), asked, "acme", MODEL)
    assert labels(turns) == ["Alice"]
    assert warning.message == (
        "identifiers of the speaker 'Alice' are not used: 2 of 4: made with a secret that is no longer there; "
        "1 of 4: no speaker identifier"
    )


def test_only_who_is_heard_for_long_gets_an_identifier_and_only_where_it_is_asked_for() -> None:
    identification = identification_of_its_own()
    short = turns_of(towards(0), speech_samples=SHORT)
    assert identification.speakers_of(short, config(), "acme", MODEL) == (Speaker("S1"),)
    long = turns_of(towards(0))
    assert identification.speakers_of(long, config(give=False), "acme", MODEL) == (Speaker("S1"),)
    assert len(identification.speakers_of(long, config(), "acme", MODEL)[0].identifiers) == 1
