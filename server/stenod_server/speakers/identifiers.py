"""Opaque identifiers of voices: what one job gives of a speaker, and a later one of the same user takes.

An identifier is url-safe base64 (no padding) of

    version (1 byte) | number of the secret (4) | mark of the model of voices (8) | nonce (12) | AES-256-GCM (d + 16)

where the d bytes are the embedding of d dimensions as int8, the largest at ±127: 311 characters for 192 dimensions.
The key is HKDF-SHA256 (RFC 5869) of the secret with the tenant and the user id as its info, so that another tenant, or
another user of the same one, has another key; all before the nonce is authenticated with the embedding. The nonce is an
HMAC-SHA256 of all that is sealed under a second such key, as in a synthetic IV (RFC 5297): no two voices have the same
one, and a call that is repeated asks for the same. The cosine of two embeddings changes by less than a hundredth.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from stenod_server.domain.job_rules import MAX_IDENTIFIER_CHARACTERS
from stenod_server.ports import Embedding, VoiceProfile

Secrets = Mapping[int, bytes]  # by number; the highest one seals, all of them open

_VERSION: Final = 1
_MARK_BYTES: Final = 8
_HEADER: Final = struct.Struct(f">BI{_MARK_BYTES}s")
_NONCE_BYTES: Final = 12
_CONTENT: Final = _HEADER.size + _NONCE_BYTES
_OVERHEAD_BYTES: Final = _CONTENT + 16  # with the tag of GCM
_KEY_BYTES: Final = 32
_LARGEST: Final = 127  # of an int8
_PURPOSE: Final = b"stenod speaker identifier 1"


class Refusal(StrEnum):
    """Why an identifier is not used."""

    NOT_OF_THIS_USER = "not this user's, or damaged"  # the two cannot be told apart
    SECRET_GONE = "made with a secret that is no longer there"  # noqa: S105  a sentence
    OTHER_MODEL = "made with another model of voices, or another revision of it"
    NO_IDENTIFIER = "no speaker identifier"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose the voices are. `user_id` may be empty: then they are the whole tenant's."""

    tenant: str
    user_id: str = ""


class SpeakerIdentifiers:
    """Seals and opens. `secrets` is asked each time: they may change while the node runs, and are never empty."""

    def __init__(self, secrets: Callable[[], Secrets]) -> None:
        self._secrets = secrets

    def seal(self, embedding: Embedding, owner: Owner, profile: VoiceProfile) -> str:
        """An identifier of float32 (dimensions,), the same one each time while no newer secret comes."""
        secrets = self._secrets()
        number = max(secrets)
        header = _HEADER.pack(_VERSION, number, _mark(profile))
        keys = _keys(secrets[number], owner)
        quantised = _quantised(embedding)
        nonce = hmac.digest(keys.of_nonces, header + quantised, "sha256")[:_NONCE_BYTES]
        return _encoded(header + nonce + AESGCM(keys.of_voices).encrypt(nonce, quantised, header))

    def open(self, text: str, owner: Owner, profile: VoiceProfile) -> Embedding | Refusal:
        """float32 (dimensions,) of length 1, or why there is none. Takes any text and raises nothing."""
        sealed = _decoded(text)
        if len(sealed) <= _OVERHEAD_BYTES or sealed[0] != _VERSION:
            return Refusal.NO_IDENTIFIER
        header, nonce, content = sealed[: _HEADER.size], sealed[_HEADER.size : _CONTENT], sealed[_CONTENT:]
        _, number, mark = _HEADER.unpack(header)
        secret = self._secrets().get(number)
        if secret is None:
            return Refusal.SECRET_GONE
        try:
            quantised = AESGCM(_keys(secret, owner).of_voices).decrypt(nonce, content, header)
        except InvalidTag:
            return Refusal.NOT_OF_THIS_USER
        return _embedding(quantised) if mark == _mark(profile) else Refusal.OTHER_MODEL


@dataclass(frozen=True, slots=True, repr=False)
class _Keys:
    of_voices: bytes
    of_nonces: bytes


def _keys(secret: bytes, owner: Owner) -> _Keys:
    tenant, user_id = (name.encode(errors="surrogatepass") for name in (owner.tenant, owner.user_id))
    # With the length of the first, no other two names come to the same bytes.
    info = b"%s%s%s%s" % (_PURPOSE, struct.pack(">I", len(tenant)), tenant, user_id)
    derived = HKDF(SHA256(), 2 * _KEY_BYTES, salt=None, info=info).derive(secret)
    return _Keys(derived[:_KEY_BYTES], derived[_KEY_BYTES:])


def _mark(profile: VoiceProfile) -> bytes:
    """Of the model that made an embedding: those of two models cannot be compared."""
    named = f"{profile.model}\0{profile.revision}\0{profile.dimensions}"
    return hashlib.sha256(named.encode()).digest()[:_MARK_BYTES]


def _quantised(embedding: Embedding) -> bytes:
    largest = float(np.abs(embedding).max()) or 1.0
    quantised: npt.NDArray[np.int8] = np.rint(embedding * (_LARGEST / largest)).astype(np.int8)
    return quantised.tobytes()


def _embedding(quantised: bytes) -> Embedding:
    values = np.frombuffer(quantised, np.int8).astype(np.float32)
    return np.asarray(values / max(float(np.linalg.norm(values)), 1.0), np.float32)


def _encoded(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    """Empty for what is none. Exactly one text stands for the same bytes."""
    if len(text) > MAX_IDENTIFIER_CHARACTERS:
        return b""
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return b""
    return sealed if _encoded(sealed) == text else b""
