"""Opaque identifiers of voices: who can open one, and what is said to everybody else."""

import base64
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenod_server.domain.job_rules import MAX_IDENTIFIER_CHARACTERS
from stenod_server.ports import Embedding, VoiceProfile
from stenod_server.speakers.identifiers import Owner, Refusal, SpeakerIdentifiers

OLD, NEW = b"old secret of 24 bytes..", b"new secret of 24 bytes.."
MODEL = VoiceProfile(
    model="voices", family="voices", window_max_samples=480_000, dimensions=192, max_batch_size=8, instances=1,
    revision="r1",
)  # fmt: skip
ALICE = Owner("acme", "alice")


def voice(seed: int = 0, dimensions: int = MODEL.dimensions) -> Embedding:
    values = np.random.default_rng(seed).standard_normal(dimensions).astype(np.float32)
    return values / np.float32(np.linalg.norm(values))


def of(*secrets: tuple[int, bytes]) -> SpeakerIdentifiers:
    return SpeakerIdentifiers(lambda: dict(secrets))


@pytest.mark.parametrize("seed", range(20))
def test_a_voice_comes_back_but_for_a_thousandth(seed: int) -> None:
    identifiers = of((1, OLD))
    opened = identifiers.open(identifiers.seal(voice(seed), ALICE, MODEL), ALICE, MODEL)
    assert not isinstance(opened, Refusal)
    assert opened.dtype == np.float32
    assert abs(float(opened @ opened) - 1) < 1e-5
    assert float(opened @ voice(seed)) > 0.999
    assert abs(float(opened @ voice(99)) - float(voice(seed) @ voice(99))) < 0.01


def test_an_identifier_is_short_and_safe_in_addresses() -> None:
    identifiers = of((1, OLD))
    text = identifiers.seal(voice(), ALICE, MODEL)
    assert len(text) == 311
    assert text.replace("-", "").replace("_", "").isalnum()
    assert len(identifiers.seal(voice(dimensions=512), ALICE, MODEL)) < MAX_IDENTIFIER_CHARACTERS


def test_a_voice_has_one_identifier_for_each_user_and_no_two_share_a_nonce() -> None:
    identifiers = of((1, OLD))
    assert identifiers.seal(voice(), ALICE, MODEL) == identifiers.seal(voice(), ALICE, MODEL)
    sealed = [identifiers.seal(voice(seed), ALICE, MODEL) for seed in range(50)]
    sealed += [identifiers.seal(voice(), Owner("acme", name), replace(MODEL, revision=name)) for name in "abc"]
    sealed += [of((1, NEW)).seal(voice(), ALICE, MODEL), of((2, OLD)).seal(voice(), ALICE, MODEL)]
    nonces = {base64.urlsafe_b64decode(text + "=")[13:25] for text in sealed}
    assert len(nonces) == len(sealed)


@pytest.mark.parametrize(
    "other",
    [Owner("acme", "bob"), Owner("acme"), Owner("other", "alice"), Owner("acmea", "lice"), Owner("", "acmealice")],
)
def test_nobody_else_can_open_it(other: Owner) -> None:
    identifiers = of((1, OLD))
    assert identifiers.open(identifiers.seal(voice(), ALICE, MODEL), other, MODEL) is Refusal.NOT_OF_THIS_USER


def test_another_model_or_revision_does_not_take_it() -> None:
    identifiers = of((1, OLD))
    sealed = identifiers.seal(voice(), ALICE, MODEL)
    for other in (replace(MODEL, revision="r2"), replace(MODEL, model="other"), replace(MODEL, dimensions=256)):
        assert identifiers.open(sealed, ALICE, other) is Refusal.OTHER_MODEL


def test_the_newest_secret_seals_and_all_open_until_they_are_taken_out() -> None:
    sealed = of((1, OLD)).seal(voice(), ALICE, MODEL)
    both = of((1, OLD), (2, NEW))
    assert not isinstance(both.open(sealed, ALICE, MODEL), Refusal)
    newest = both.seal(voice(), ALICE, MODEL)
    assert of((1, OLD)).open(newest, ALICE, MODEL) is Refusal.SECRET_GONE
    assert of((2, NEW)).open(sealed, ALICE, MODEL) is Refusal.SECRET_GONE
    assert not isinstance(of((2, NEW)).open(newest, ALICE, MODEL), Refusal)
    assert of((1, NEW)).open(sealed, ALICE, MODEL) is Refusal.NOT_OF_THIS_USER


def test_a_change_of_any_bit_is_seen() -> None:
    identifiers = of((1, OLD))
    sealed = base64.urlsafe_b64decode(identifiers.seal(voice(), ALICE, MODEL) + "=")
    for place in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[place] ^= 1 << bit
            text = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
            assert isinstance(identifiers.open(text, ALICE, MODEL), Refusal), (place, bit)


def test_each_voice_has_one_text_alone_for_the_same_bytes() -> None:
    identifiers = of((1, OLD))
    sealed = identifiers.seal(voice(), ALICE, MODEL)
    last = sealed[-1]
    others = [
        f"{sealed}=",
        f" {sealed}",
        f"{sealed}\n",
        sealed[:-1] + chr(ord(last) + 1),
        sealed[:5] + "\n" + sealed[5:],
    ]
    assert all(identifiers.open(text, ALICE, MODEL) is not sealed for text in others)
    assert all(isinstance(identifiers.open(text, ALICE, MODEL), Refusal) for text in others)


@given(st.text() | st.binary().map(lambda b: base64.urlsafe_b64encode(b"\x01\x00\x00\x00\x01" + b).decode()))
def test_any_text_is_refused_and_nothing_is_raised(text: str) -> None:
    assert isinstance(of((1, OLD)).open(text, ALICE, MODEL), Refusal)


@pytest.mark.parametrize("text", ["", "A" * (MAX_IDENTIFIER_CHARACTERS + 1), "\ud800", "A" * 2000, "é"])
def test_hostile_text_is_no_identifier(text: str) -> None:
    assert of((1, OLD)).open(text, ALICE, MODEL) is Refusal.NO_IDENTIFIER


@given(st.text(), st.text())
def test_any_names_of_owners_are_taken(tenant: str, user_id: str) -> None:
    identifiers = of((1, OLD))
    opened = identifiers.open(identifiers.seal(voice(), Owner(tenant, user_id), MODEL), Owner(tenant, user_id), MODEL)
    assert not isinstance(opened, Refusal)


def test_silence_can_be_sealed() -> None:
    identifiers = of((1, OLD))
    opened = identifiers.open(identifiers.seal(np.zeros(192, np.float32), ALICE, MODEL), ALICE, MODEL)
    assert not isinstance(opened, Refusal)
    assert not opened.any()
