"""What a job may say of speakers whose voices are known."""

import re

import pytest

from stenod_server.domain import job_rules
from stenod_server.domain.diarization import Diarization, KnownSpeaker
from stenod_server.errors import InvalidField, LimitExceeded


def known(label: str = "Alice", *identifiers: str) -> KnownSpeaker:
    return KnownSpeaker(label, identifiers or ("id",))


def test_known_speakers_are_taken_as_they_are() -> None:
    speakers = (known("Alice", "a", "b"), known("Dr. Bob  II"), known("S"), known("S1a"), known("uu"))
    assert job_rules.known_speakers("speakers", speakers) == speakers
    assert job_rules.known_speakers("speakers", (known("Alice", *"x" * 50),))


@pytest.mark.parametrize("label", ["UU", "S1", "S007", "", " Alice", "Alice ", "Ali\nce", "Al\x00ice", "\u2003Alice"])
def test_a_label_that_would_mislead_is_refused(label: str) -> None:
    with pytest.raises(InvalidField) as refused:
        job_rules.known_speakers("speakers", (known(), known(label)))
    assert refused.value.field == "speakers.1.label"


def test_no_two_speakers_have_one_label() -> None:
    with pytest.raises(InvalidField, match=re.escape("speakers.1.label: 'Alice' is the label of another one too")):
        job_rules.known_speakers("speakers", (known(), known()))


def test_a_speaker_has_an_identifier_at_least() -> None:
    with pytest.raises(InvalidField, match=re.escape("speakers.0.speaker_identifiers: is empty")):
        job_rules.known_speakers("speakers", (KnownSpeaker("Alice", ()),), identifiers_name="speaker_identifiers")


def test_what_is_too_many_or_too_long_is_refused_with_its_limit_and_without_its_words() -> None:
    for speakers, limit in (
        ((known("Alice", *["secret"] * 26), known("Bob", *["secret"] * 25)), "speaker identifiers of a job"),
        ((known("a" * 65),), "characters of this field"),
        ((known("Alice", "secret", "secret" * 342),), "characters of this field"),
    ):
        with pytest.raises(LimitExceeded) as refused:
            job_rules.known_speakers("speakers", speakers)
        assert refused.value.limit == limit
        assert "secret" not in refused.value.message


def test_identifiers_are_in_no_text_made_of_a_configuration_and_can_be_forgotten() -> None:
    diarization = Diarization(known_speakers=(known("Alice", "secret"),), return_identifiers=True)
    assert "Alice" in repr(diarization)
    assert "secret" not in repr(diarization)
    assert diarization.has_to_do_with_identifiers
    assert diarization.without_identifiers().known_speakers == (KnownSpeaker("Alice", ()),)
    assert diarization.without_identifiers().return_identifiers
    assert not Diarization().has_to_do_with_identifiers
