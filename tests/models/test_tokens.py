"""Access tokens: ours, for us, in time; refresh tokens: one child each."""

import base64
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from joserfc import jwt
from joserfc.jwk import RSAKey

from auth.tokens import ACCESS_LIFETIME, Tokens, hash_of, new_private_key
from auth.viewer import SignInRequired, Viewer
from models.ids import encode_id, new_id
from models.user import Role

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
USER, SESSION = new_id(), new_id()
OLD_KEY, NEW_KEY = new_private_key(), new_private_key()
TOKENS = Tokens([OLD_KEY], issuer="https://test.invalid", refresh_key=b"r" * 32)


def issue(tokens: Tokens = TOKENS) -> str:
    return tokens.access_token(user_id=USER, session_id=SESSION, roles=["CLIENT", "FREELANCER"], now=NOW)


def signed(key: str = OLD_KEY, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """A token of the right form under `key`, with other claims; None leaves a claim out."""
    claims = {
        "iss": "https://test.invalid",
        "aud": "skillsync-api",
        "sub": encode_id("user", USER),
        "sid": encode_id("session", SESSION),
        "roles": ["CLIENT"],
        "iat": int(NOW.timestamp()),
        "exp": int((NOW + ACCESS_LIFETIME).timestamp()),
    } | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    private = RSAKey.import_key(key)
    return jwt.encode({"alg": "RS256", "kid": private.thumbprint()} | (header or {}), claims, private)


def part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def unsigned() -> str:
    return ".".join([part(b'{"alg":"none","typ":"JWT"}'), issue().split(".")[1], ""])


def signed_with_the_public_key() -> str:
    """The old attack: HMAC with the text of the RSA public key, which everybody knows."""
    private = serialization.load_pem_private_key(OLD_KEY.encode(), password=None)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    kid = RSAKey.import_key(OLD_KEY).thumbprint()
    header = json.dumps({"alg": "HS256", "typ": "JWT", "kid": kid})
    text = f"{part(header.encode())}.{issue().split('.')[1]}"
    return f"{text}.{part(hmac.digest(public, text.encode(), 'sha256'))}"


def test_a_token_says_who_is_asking() -> None:
    viewer = TOKENS.viewer_of(issue(), now=NOW)

    assert viewer == Viewer(USER, SESSION, frozenset({Role.CLIENT, Role.FREELANCER}))


def test_a_token_holds_until_the_last_moment_of_its_lifetime() -> None:
    end = NOW + ACCESS_LIFETIME

    viewer = TOKENS.viewer_of(issue(), now=end - timedelta(microseconds=1))

    assert viewer.user_id == USER
    with pytest.raises(SignInRequired, match="has expired"):
        TOKENS.viewer_of(issue(), now=end)


def test_a_token_says_when_it_expires() -> None:
    assert TOKENS.expiry_of(issue(), now=NOW) == NOW + ACCESS_LIFETIME
    with pytest.raises(SignInRequired, match="has expired"):
        TOKENS.expiry_of(issue(), now=NOW + ACCESS_LIFETIME)


def test_the_hand_made_token_of_these_tests_holds_when_nothing_is_changed() -> None:
    assert TOKENS.viewer_of(signed(), now=NOW).user_id == USER


@pytest.mark.parametrize(
    "token",
    [
        lambda: signed(iss="https://elsewhere.invalid"),
        lambda: signed(iss=None),
        lambda: signed(aud="another-api"),
        lambda: signed(aud=["another-api"]),
        lambda: signed(aud=None),
        lambda: signed(sub=encode_id("session", USER)),
        lambda: signed(sub="admin"),
        lambda: signed(sub=None),
        lambda: signed(sid=None),
        lambda: signed(exp=None),
        lambda: signed(exp="tomorrow"),
        lambda: signed(exp=float("inf")),
        lambda: signed(roles=["EMPEROR"]),
        lambda: signed(roles=None),
        lambda: signed(roles=7),
        lambda: signed(NEW_KEY),
        lambda: signed(NEW_KEY, header={"kid": RSAKey.import_key(OLD_KEY).thumbprint()}),
        lambda: signed(header={"kid": "unknown"}),
        unsigned,
        signed_with_the_public_key,
        lambda: issue()[:-4] + "AAAA",
        lambda: issue().rpartition(".")[0] + ".",
        lambda: issue().rpartition(".")[0],
        lambda: "",
        lambda: "a.b.c",
        lambda: "…",
        lambda: "\ud800",
        lambda: "." * 10_000,
    ],
)
def test_a_token_that_is_not_ours_or_not_for_us_signs_nobody_in(token: Callable[[], str]) -> None:
    with pytest.raises(SignInRequired):
        TOKENS.viewer_of(token(), now=NOW)


def test_keys_rotate_without_signing_anybody_out() -> None:
    rotated = Tokens([NEW_KEY, OLD_KEY], issuer="https://test.invalid", refresh_key=b"r" * 32)

    before, after = issue(TOKENS), issue(rotated)

    assert rotated.viewer_of(before, now=NOW).user_id == USER
    assert rotated.viewer_of(after, now=NOW).user_id == USER
    with pytest.raises(SignInRequired):
        TOKENS.viewer_of(after, now=NOW)


def test_the_published_keys_verify_tokens_and_tell_no_secret() -> None:
    published = Tokens([NEW_KEY, OLD_KEY], issuer="https://test.invalid", refresh_key=b"r" * 32).jwks()[
        "keys"
    ]

    assert [set(key) for key in published] == [{"kty", "n", "e", "kid", "use", "alg"}] * 2
    assert [key["kid"] for key in published] == [
        RSAKey.import_key(pem).thumbprint() for pem in (NEW_KEY, OLD_KEY)
    ]
    assert jwt.decode(issue(), RSAKey.import_key(published[1])).claims["sub"] == encode_id("user", USER)


def test_two_racing_refreshes_derive_the_same_child_and_nobody_else_can() -> None:
    token = TOKENS.new_refresh_token()

    child = TOKENS.child_of(token)

    assert TOKENS.child_of(token) == child != token
    assert Tokens([OLD_KEY], issuer="x", refresh_key=b"q" * 32).child_of(token) != child
    assert len(base64.urlsafe_b64decode(child + "=")) == 32


def test_refresh_tokens_are_stored_as_hashes() -> None:
    one, other = TOKENS.new_refresh_token(), TOKENS.new_refresh_token()

    assert one != other
    assert len(hash_of(one)) == 32
    assert hash_of(one) != hash_of(other)


def test_tokens_without_a_key_are_not_made() -> None:
    with pytest.raises(ValueError, match="needs a private key"):
        Tokens([], issuer="x", refresh_key=b"r" * 32)
