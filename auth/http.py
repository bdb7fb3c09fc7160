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
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise SignInRequired("The Authorization header must read: Bearer <access token>.")
    viewer = tokens.viewer_of(token.strip(), now=now)
    if viewer.session_id is not None and viewer.session_id in revoked:
        raise SignInRequired("This session was ended. Sign in again.")
    return viewer
