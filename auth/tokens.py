"""Access tokens (JWT, RS256, 15 minutes) and refresh tokens (random, stored as hashes, rotated)."""

import base64
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from auth.viewer import SignInRequired, Viewer
from models.errors import Invalid
from models.ids import decode_id, encode_id
from models.user import Role

ACCESS_LIFETIME = timedelta(minutes=15)
AUDIENCE = "skillsync-api"
MOST_VERIFIED = 10_000


class Tokens:
    """The first private key (PEM) signs; the public halves of all are published, so that keys can rotate."""

    def __init__(self, private_keys: Sequence[str], *, issuer: str, refresh_key: bytes) -> None:
        if not private_keys:
            raise ValueError("signing access tokens needs a private key")
        keys = [RSAKey.import_key(pem) for pem in private_keys]
        keys = [RSAKey.import_key(pem, {"kid": key.thumbprint(), "use": "sig", "alg": "RS256"})
                for pem, key in zip(private_keys, keys, strict=True)]  # fmt: skip
        self._keys = KeySet([*keys])
        self._signing = keys[0]
        self._issuer = issuer
        self._refresh_key = refresh_key
        self._verified: OrderedDict[str, tuple[float, Viewer]] = OrderedDict()
        self._rules = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": AUDIENCE},
            sub={"essential": True},
            sid={"essential": True},
        )

    def jwks(self) -> dict[str, Any]:
        """The public keys, for whoever wants to verify our access tokens (RFC 7517)."""
        return {"keys": list(self._keys.as_dict(private=False)["keys"])}

    def access_token(
        self, *, user_id: UUID, session_id: UUID, roles: Sequence[str], now: datetime, version: int = 0
    ) -> str:
        """`version` is the account's: once that is higher, the token is refused."""
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": encode_id("user", user_id),
            "sid": encode_id("session", session_id),
            "roles": list(roles),
            "ver": version,
            "iat": int(now.timestamp()),
            "exp": int((now + ACCESS_LIFETIME).timestamp()),
        }
        header = {"alg": "RS256", "typ": "JWT", "kid": self._signing.kid}
        return jwt.encode(header, claims, self._signing)

    def viewer_of(self, access_token: str, *, now: datetime) -> Viewer:
        """Raises `SignInRequired` for a token that is forged, expired or not meant for us.

        A token that was found genuine stays so until it expires, so its signature (0.1 ms) is verified once.
        """
        return self._verified_once(access_token, now=now)[1]

    def expiry_of(self, access_token: str, *, now: datetime) -> datetime:
        """From this moment on the token is refused. Raises `SignInRequired` like `viewer_of`."""
        return datetime.fromtimestamp(self._verified_once(access_token, now=now)[0], UTC)

    def _verified_once(self, access_token: str, *, now: datetime) -> tuple[float, Viewer]:
        known = self._verified.get(access_token)
        if known is None or known[0] <= now.timestamp():
            known = self._verify(access_token, now=now)
            self._verified[access_token] = known
            if len(self._verified) > MOST_VERIFIED:
                self._verified.popitem(last=False)
        return known

    def _verify(self, access_token: str, *, now: datetime) -> tuple[float, Viewer]:
        """When the token expires, and whose it is."""
        try:
            token = jwt.decode(access_token, self._keys, algorithms=["RS256"])
            claims = token.claims
            # Times are checked against the clock of the operation, not the library's.
            self._rules.validate({name: claims[name] for name in ("iss", "aud", "sub", "sid")})
            if not isinstance(claims["exp"], int) or claims["exp"] <= now.timestamp():
                raise SignInRequired("The access token has expired. Refresh the session.")
            viewer = Viewer(
                user_id=decode_id("user", claims["sub"]),
                session_id=decode_id("session", claims["sid"]),
                roles=frozenset(Role(role) for role in claims["roles"]),
                access_version=int(claims.get("ver", 0)),
            )
            return float(claims["exp"]), viewer
        except (JoseError, Invalid, KeyError, TypeError, ValueError) as error:
            raise SignInRequired("The access token is not valid. Sign in again.") from error

    def new_refresh_token(self) -> str:
        return secrets.token_urlsafe(32)

    def child_of(self, refresh_token: str) -> str:
        """The one token that replaces `refresh_token`: two racing refreshes derive the same child."""
        digest = hmac.new(self._refresh_key, refresh_token.encode(), sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def new_link_token() -> str:
    """256 random bits, for whoever has a link."""
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> bytes:
    """What is kept of a random token: it cannot be guessed, so nothing slow or salted is needed."""
    return sha256(token.encode()).digest()


def new_private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode()
