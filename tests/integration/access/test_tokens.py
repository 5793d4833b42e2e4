"""Tokens of a real issuer: keys fetched over HTTP, kept, and fetched again; nothing that is not its own is believed."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from structlog.testing import capture_logs

from stenod_server.access.chain import open_authenticator
from stenod_server.access.key_set import REFRESH_S, RETRY_S, STALE_S
from stenod_server.access.options import AccessOptions, OidcOptions
from stenod_server.domain.access import Credentials, Principal, Scope
from stenod_server.errors import Unauthenticated, Unavailable
from stenod_server.ports import Authenticator
from tests.support.builders import FakeClock
from tests.support.credentials import AUDIENCE, Issuer, ec_key, public_jwk, rsa_key, running_issuer
from tests.support.origin import head, media, raw, redirect, status

SKEW_S = 60.0


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with running_issuer() as running:
        yield running


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def _door(issuer: Issuer, clock: FakeClock, **changes: Any) -> Authenticator:
    plain: dict[str, Any] = {"issuer": issuer.url, "audience": AUDIENCE, "clock_skew_s": SKEW_S}
    return open_authenticator(AccessOptions(oidc=OidcOptions(**plain | changes)), clock)


@pytest.fixture
def door(issuer: Issuer, clock: FakeClock) -> Authenticator:
    return _door(issuer, clock)


async def _holder(door: Authenticator, token: str) -> Principal:
    return await door.authenticate(Credentials(bearer=token))


async def _is_let_in(door: Authenticator, token: str) -> bool:
    try:
        await _holder(door, token)
    except Unauthenticated:
        return False
    return True


# --- what a token says ----------------------------------------------------------------------------------------------


async def test_a_token_says_who_comes_for_which_tenant_to_do_what(door: Authenticator, issuer: Issuer) -> None:
    holder = await _holder(door, issuer.token(tenant="archive", scope="openid stenod:read", sub="alice"))

    assert (holder.tenant, holder.subject, holder.scopes) == ("archive", "token:alice", frozenset({Scope.READ}))


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": None, "scp": ["stenod:submit", "other"]}, {Scope.SUBMIT}),
        ({"scope": None, "scp": "stenod:submit stenod:read"}, {Scope.SUBMIT, Scope.READ}),
        ({"scope": "stenod:admin"}, {Scope.ADMIN}),
        ({"scope": "read submit admin stenod:"}, set()),
        ({"scope": None}, set()),
        ({"scope": {"stenod:read": 1}}, set()),
    ],
)
async def test_scopes_are_those_with_our_name(
    door: Authenticator, issuer: Issuer, claims: dict[str, Any], scopes: set[Scope]
) -> None:
    assert set((await _holder(door, issuer.token(**claims))).scopes) == scopes


async def test_the_tenant_may_be_another_claim(issuer: Issuer, clock: FakeClock) -> None:
    door = _door(issuer, clock, tenant_claim="azp")

    assert (await _holder(door, issuer.token(azp="archive"))).tenant == "archive"
    assert not await _is_let_in(door, issuer.token())


@pytest.mark.parametrize("tenant", [None, "", 7, ["a"], "a\nb", "x" * 129])
async def test_a_token_without_a_tenant_that_can_be_one_is_nobody_s(
    door: Authenticator, issuer: Issuer, tenant: Any
) -> None:
    assert not await _is_let_in(door, issuer.token(tenant=tenant))


@pytest.mark.parametrize(
    ("claims", "good"),
    [
        ({"exp": SKEW_S / -2}, True),
        ({"exp": SKEW_S * -2}, False),
        ({"nbf": SKEW_S / 2}, True),
        ({"nbf": SKEW_S * 2}, False),
        ({"iat": SKEW_S * 2}, False),
        ({"exp": None}, False),
    ],
)
async def test_time_counts_with_a_skew(
    door: Authenticator, issuer: Issuer, claims: dict[str, float | None], *, good: bool
) -> None:
    now = time.time()
    moments: dict[str, Any] = {
        name: None if offset_s is None else int(now + offset_s) for name, offset_s in claims.items()
    }

    assert await _is_let_in(door, issuer.token(**moments)) is good


@pytest.mark.parametrize(
    "claims", [{"iss": "https://other"}, {"iss": None}, {"aud": "other"}, {"aud": None}, {"aud": []}]
)
async def test_a_token_of_or_for_somebody_else_is_refused(
    door: Authenticator, issuer: Issuer, claims: dict[str, Any]
) -> None:
    assert await _is_let_in(door, issuer.token(aud=["other", AUDIENCE]))
    assert not await _is_let_in(door, issuer.token(**claims))


# --- how it is signed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kid", "algorithm"), [("one", "RS256"), ("one", "RS512"), ("one", "PS256"), ("two", "ES256")])
async def test_rsa_and_elliptic_curves_are_verified(
    door: Authenticator, issuer: Issuer, kid: str, algorithm: str
) -> None:
    issuer.publish(one=rsa_key("one"), two=ec_key("two"))
    good = issuer.token(kid=kid, algorithm=algorithm)
    header, payload, signature = good.split(".")
    changed = json.loads(base64.urlsafe_b64decode(payload + "==")) | {"tenant": "archive"}
    payload = base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode()

    assert await _is_let_in(door, good)
    assert not await _is_let_in(door, f"{header}.{payload}.{signature}")
    assert not await _is_let_in(door, f"{good.rpartition('.')[0]}.")


async def test_no_other_signature_is_looked_at(door: Authenticator, issuer: Issuer) -> None:
    issuer.publish(one=rsa_key("one"), two=ec_key("two"))
    refused = {
        "none": issuer.unsigned(),
        "HS256 with the public key": issuer.forged(),
        "another RSA key": issuer.token(key=rsa_key("forger")),
        "another curve's key": issuer.token(kid="two", key=ec_key("forger"), algorithm="ES256"),
        "the right key by the wrong name": issuer.token(kid="two", key=rsa_key("one")),
        "an unknown name": issuer.token(kid="three", key=rsa_key("one")),
        "its own key": jwt.encode(
            issuer.claims(),
            rsa_key("forger"),
            algorithm="RS256",
            headers={"kid": "one", "jwk": public_jwk(rsa_key("forger"))},
        ),
        "not a token": "a.b.c",
        "odd algorithm": _with_header({"alg": ["RS256"], "kid": "one"}),
        "odd name": _with_header({"alg": "RS256", "kid": ["one"]}),
        "critical header": _with_header({"alg": "RS256", "kid": "one", "crit": ["x"], "x": 1}),
        "header that is none": _with_header([]),
        "deep header": f"{base64.urlsafe_b64encode(b'[' * 4095).decode()}.e30.c2ln",
    }

    assert await _is_let_in(door, issuer.token())
    assert [how for how, token in refused.items() if await _is_let_in(door, token)] == []


def _with_header(header: Any) -> str:
    encoded = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return f"{encoded}.e30.c2ln"


async def test_a_key_that_encrypts_or_is_for_another_algorithm_does_not_verify(
    issuer: Issuer, clock: FakeClock
) -> None:
    plain = {"kid": "one", "use": "sig"} | public_jwk(rsa_key("one"))
    for change in ({"use": "enc"}, {"alg": "RS512"}, {"kty": "oct", "k": "c2VjcmV0"}):
        other = {"kid": "other", "use": "sig"} | public_jwk(rsa_key("other"))
        issuer.origin.answers["/keys"] = media(json.dumps({"keys": [plain | change, other]}).encode())
        assert not await _is_let_in(_door(issuer, clock), issuer.token())
    issuer.publish(one=rsa_key("one"))
    assert await _is_let_in(_door(issuer, clock), issuer.token())


# --- where its keys are ---------------------------------------------------------------------------------------------


async def test_keys_are_fetched_once_for_many_callers_and_again_when_they_are_old(
    door: Authenticator, issuer: Issuer, clock: FakeClock
) -> None:
    tokens = [issuer.token(sub=str(number)) for number in range(20)]

    assert all(await asyncio.gather(*(_is_let_in(door, token) for token in tokens)))
    clock.advance(REFRESH_S)
    assert await _is_let_in(door, tokens[0])
    assert issuer.times_asked == 1
    clock.advance(1)
    assert await _is_let_in(door, tokens[0])
    assert issuer.times_asked == 2


async def test_a_new_key_counts_at_once_and_an_old_one_no_more(
    door: Authenticator, issuer: Issuer, clock: FakeClock
) -> None:
    old = issuer.token()
    assert await _is_let_in(door, old)
    issuer.publish(next=rsa_key("next"))
    clock.advance(RETRY_S)

    assert await _is_let_in(door, issuer.token(kid="next"))
    assert issuer.times_asked == 2
    assert not await _is_let_in(door, old)


async def test_unknown_keys_make_nobody_hammer_the_issuer(
    door: Authenticator, issuer: Issuer, clock: FakeClock
) -> None:
    for number in range(50):
        assert not await _is_let_in(door, issuer.token(kid=f"made up {number}", key=rsa_key("forger")))
    assert issuer.times_asked == 1
    clock.advance(RETRY_S)
    await asyncio.gather(*(_is_let_in(door, issuer.token(kid=f"{n}", key=rsa_key("forger"))) for n in range(50)))
    assert issuer.times_asked == 2


async def test_without_the_issuer_nobody_is_called_wrong(door: Authenticator, issuer: Issuer, clock: FakeClock) -> None:
    answers, issuer.origin.answers = issuer.origin.answers, {}
    with pytest.raises(Unavailable):
        await _holder(door, issuer.token())
    with pytest.raises(Unavailable):  # not asked again so soon
        await _holder(door, issuer.token())
    issuer.origin.answers = answers
    clock.advance(RETRY_S)

    assert await _is_let_in(door, issuer.token())


async def test_keys_outlive_an_issuer_that_is_down_for_a_day(
    door: Authenticator, issuer: Issuer, clock: FakeClock
) -> None:
    token = issuer.token()
    assert await _is_let_in(door, token)
    issuer.origin.answers = {}

    clock.advance(STALE_S)
    assert await _is_let_in(door, token)
    assert not await _is_let_in(door, issuer.token(key=rsa_key("forger")))
    clock.advance(1)
    with pytest.raises(Unavailable):
        await _holder(door, token)


async def test_the_address_of_the_keys_may_be_given(issuer: Issuer, clock: FakeClock) -> None:
    door = _door(issuer, clock, jwks_url=issuer.jwks_url)

    assert await _is_let_in(door, issuer.token())
    assert [asked.path for asked in issuer.origin.asked] == ["/keys"]


@pytest.mark.parametrize(
    "answer",
    [
        status(500),
        redirect("/elsewhere"),
        media(b"<html>"),
        media(b"[]"),
        media(b'{"keys": []}'),
        media(b'{"keys": 1}'),
        media(b'{"keys": [{"kty": "RSA", "kid": "one"}]}'),
        media(b'{"keys": [{"kty": ["RSA"]}, 7]}'),
        raw(head(200) + b" " * 2_000_000),
        raw(b"no HTTP"),
    ],
    ids=["500", "redirect", "html", "list", "none", "number", "half a key", "odd keys", "endless", "no http"],
)
async def test_an_answer_that_is_no_key_set_is_no_answer(issuer: Issuer, clock: FakeClock, answer: Any) -> None:
    door = _door(issuer, clock)
    good = issuer.origin.answers["/keys"]
    issuer.origin.answers["/keys"] = answer
    issuer.origin.answers["/elsewhere"] = good

    with capture_logs() as logs, pytest.raises(Unavailable):
        await _holder(door, issuer.token())
    assert "token_keys_not_fetched" in [event["event"] for event in logs]
    issuer.origin.answers["/keys"] = good
    clock.advance(RETRY_S)
    assert await _is_let_in(door, issuer.token())


async def test_a_discovery_document_of_another_issuer_is_not_followed(issuer: Issuer, clock: FakeClock) -> None:
    document = {"issuer": "https://other.example", "jwks_uri": issuer.jwks_url}
    issuer.origin.answers["/.well-known/openid-configuration"] = media(json.dumps(document).encode())

    with pytest.raises(Unavailable):
        await _holder(_door(issuer, clock), issuer.token())
    assert issuer.times_asked == 0
