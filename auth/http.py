"""From an HTTP request to the one who is asking."""

from datetime import datetime

from auth.revocation import RevokedSessions
from auth.tokens import Tokens
from auth.viewer import ANONYMOUS, SignInRequired, Viewer


def viewer_of(
    authorization: str | None, tokens: Tokens, revoked: RevokedSessions, *, now: datetime
) -> Viewer:
    """The bearer of the access token in an Authorization header; anonymous without one.

    Raises `SignInRequired` for a token that does not hold: a bad token is never treated as none.
    """
    if authorization is None:
        return ANONYMOUS
    viewer = tokens.viewer_of(_bearer_token(authorization), now=now)
    if (loss := revoked.loss_of(viewer, now=now)) is not None:
        raise loss.refusal
    return viewer


def expiry_of(authorization: str | None, tokens: Tokens, *, now: datetime) -> datetime | None:
    """When the access token in an Authorization header expires; None without one.

    Raises `SignInRequired` for a token that does not hold.
    """
    return None if authorization is None else tokens.expiry_of(_bearer_token(authorization), now=now)


def _bearer_token(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise SignInRequired("The Authorization header must read: Bearer <access token>.")
    return token.strip()
