"""Accounts and sessions as clients see them."""

from datetime import datetime
from typing import Any

import strawberry
from strawberry import Maybe

from auth import access
from models.errors import NotFound, RateLimited
from models.ids import decode_id
from models.user import (
    AccessTokenRefused,
    AccountSuspended,
    EmailTaken,
    OnlyOverSocket,
    Role,
    Session,
    SessionEnded,
    TokenOfAnother,
    User,
    UserStatus,
    WrongCredentials,
)
from resolvers import accounts
from resolvers.operation import Operation
from schema.connections import Connection, connection
from schema.graph import column, computed, entity, node, one, personal, source
from schema.keyset import newest
from schema.node import Node
from schema.notes import notes
from schema.payloads import IDEMPOTENCY, Answer, MutationPayload, Needs, mutation
from schema.places import current_place_of_all
from schema.scalars import EmailAddress, Markdown, StreamCursor
from schema.skill_market import SkillGap, gaps
from schema.type_names import Client, Freelancer
from schema.words import words

words(Role)
words(UserStatus)


def _is_current(op: Operation, session_id: Any) -> bool:
    return bool(op.viewer.session_id == session_id)


@node("session", Session, scope=access.visible_sessions, name="Session", description="A sign-in on one device; its owner alone sees it.")  # fmt: skip
class SessionType(Node):
    device: str = column(Session.device, "What the device called itself when signing in (User-Agent).")
    created_at: datetime = column(Session.created_at, "When the person signed in.")
    last_seen_at: datetime = column(Session.last_seen_at, "When the session was last refreshed.")
    expires_at: datetime = column(Session.expires_at, "When it ends unless it is refreshed before.")
    revoked_at: datetime | None = column(
        Session.revoked_at, "When it was signed out; null while it is alive."
    )
    is_current: bool = personal(
        _is_current, Session.id, description="Whether this very call was made with it."
    )


@node("user", User, scope=access.visible_users, name="User", description="An account; the person and administrators see it.")  # fmt: skip
class UserType(Node):
    email: EmailAddress = column(User.email, "Where mail goes; never shown to others.")
    name: str = column(User.name, "The name that others see.")
    roles: list[Role] = computed(
        lambda roles: [Role(role) for role in roles], User.roles, description="What the person is here."
    )
    status: UserStatus = column(User.status, "Whether the person may sign in.")
    suspended_until: datetime | None = column(
        User.suspended_until, "When a suspension ends by itself; null without one, or until somebody ends it."
    )
    suspension_reason: Markdown | None = source(
        notes, "Why the account is suspended; null if it is not.", key=User.suspension_remark_id
    )
    created_at: datetime = column(User.created_at, "When the account was opened.")
    freelancer: Freelancer | None = one(User.id, "The freelancer's profile; null for who is none.")
    client: Client | None = one(User.id, "The client's profile; null for who is none.")
    stream_cursor: StreamCursor = current_place_of_all(
        User.id,
        "Where everything stood that concerns the person when this was read; with it in `after`, `viewerEvents` tells what came later.",
    )
    sessions: Connection[SessionType] = connection(
        Session.user_id,
        "Sign-ins, newest first; only the person sees their own.",
        default=newest(Session.created_at),
    )
    skill_gap: SkillGap | None = source(
        gaps,
        "Which skills would open how many more gigs to you; null for others, and for who is no freelancer.",
    )


@strawberry.type(description="What a client keeps after signing in.")
class SessionTokens:
    access_token: str = strawberry.field(
        description="Goes into `Authorization: Bearer …` of every request. A JWT (RS256), good for 15 minutes."
    )
    access_expires_at: datetime = strawberry.field(description="When the access token stops working.")
    refresh_token: str = strawberry.field(
        description="Buys the next pair with `sessionRefresh`, once. Keep it secret; we keep only its hash."
    )
    refresh_expires_at: datetime = strawberry.field(
        description="When the session ends unless it is refreshed."
    )

    @classmethod
    def of(cls, credentials: accounts.Credentials) -> "SessionTokens":
        return cls(
            access_token=credentials.access_token,
            access_expires_at=credentials.access_expires_at,
            refresh_token=credentials.refresh_token,
            refresh_expires_at=credentials.refresh_expires_at,
        )


@strawberry.input(description="Input of `accountRegister`.")
class AccountRegisterInput:
    email: EmailAddress = strawberry.field(description="Where mail goes; not used by another account.")
    password: str = strawberry.field(description="10 to 200 characters, at least four different ones.")
    name: str = strawberry.field(description="The name that others see: 1 to 80 characters in any script.")
    roles: list[Role] = strawberry.field(description="FREELANCER, CLIENT or both.")


@strawberry.input(description="Input of `sessionCreate`.")
class SessionCreateInput:
    email: EmailAddress = strawberry.field(description="The address of the account.")
    password: str = strawberry.field(description="Its password.")


@strawberry.input(description="Input of `sessionRefresh`.")
class SessionRefreshInput:
    refresh_token: str = strawberry.field(description="The refresh token of the last pair.")


@strawberry.input(description="Input of `sessionRefreshSocket`.")
class SessionRefreshSocketInput:
    access_token: str = strawberry.field(
        description="A fresh access token of the user who opened the socket, without `Bearer`."
    )


@strawberry.input(description="Input of `sessionRevoke`.")
class SessionRevokeInput:
    id: Maybe[strawberry.ID] = strawberry.field(description="Which session to end; this one if absent.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `accountRoleAdd`.")
class AccountRoleAddInput:
    role: Role = strawberry.field(description="FREELANCER or CLIENT.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.type(description="Answer to a mutation that signs somebody in.")
class SignedInPayload(MutationPayload):
    tokens: SessionTokens | None = strawberry.field(
        default=None, description="The new pair; null if it was refused."
    )


@strawberry.type(description="Answer to `sessionRefreshSocket`.")
class SessionRefreshSocketPayload(MutationPayload):
    session: SessionType | None = entity("The session of the token.")
    expires_at: datetime | None = strawberry.field(
        default=None, description="Until when the socket stays unless it is refreshed again; null if refused."
    )


@strawberry.type(description="Answer to `sessionRevoke`.")
class SessionRevokePayload(MutationPayload):
    session: SessionType | None = entity("The session that has ended.")


@strawberry.type(description="Answer to `accountRoleAdd`.")
class AccountRoleAddPayload(MutationPayload):
    user: UserType | None = entity(
        "The account with its roles. Refresh the session for a token that knows them."
    )


@mutation(
    SignedInPayload,
    EmailTaken,
    RateLimited,
    needs=Needs.NOTHING,
    description="Open an account and sign in. The profiles of the chosen roles are made with it.",
)
async def account_register(op: Operation, input: AccountRegisterInput) -> Answer:
    receipt, credentials = await accounts.register_account(
        op, email=input.email, password=input.password, name=input.name, roles=input.roles
    )
    return receipt, {"tokens": SessionTokens.of(credentials)}


@mutation(
    SignedInPayload,
    WrongCredentials,
    AccountSuspended,
    RateLimited,
    needs=Needs.NOTHING,
    description="Sign in. A wrong password and an unknown address answer the same; that an account is suspended is told to who "
    "knows its password.",
)
async def session_create(op: Operation, input: SessionCreateInput) -> Answer:
    receipt, credentials = await accounts.create_session(op, email=input.email, password=input.password)
    return receipt, {"tokens": SessionTokens.of(credentials)}


@mutation(
    SignedInPayload,
    SessionEnded,
    AccountSuspended,
    needs=Needs.NOTHING,
    description="Exchange a refresh token for a new pair. Refreshing twice within 20 seconds (two tabs) answers the same "
    "refresh token; using an older one ends the session, because somebody else may have it.",
)
async def session_refresh(op: Operation, input: SessionRefreshInput) -> Answer:
    receipt, credentials = await accounts.refresh_session(op, refresh_token=input.refresh_token)
    return receipt, {"tokens": SessionTokens.of(credentials)}


@mutation(
    SessionRefreshSocketPayload,
    OnlyOverSocket,
    AccessTokenRefused,
    TokenOfAnother,
    needs=Needs.SIGNED_IN,
    description="Keep this socket, and all that runs on it, until a fresh access token expires: for who cannot put it into the "
    "payload of a `ping`. Over a WebSocket only. Also in the 30 seconds after the old token has expired.",
)
async def session_refresh_socket(op: Operation, input: SessionRefreshSocketInput) -> Answer:
    receipt, expires_at = await accounts.refresh_socket(op, access_token=input.access_token)
    return receipt, {"expires_at": expires_at}


@mutation(
    SessionRevokePayload,
    NotFound,
    needs=Needs.SIGNED_IN,
    description="Sign out: end this session or another one of your own. Its tokens stop working at once.",
)
async def session_revoke(op: Operation, input: SessionRevokeInput) -> Answer:
    session_id = decode_id("session", input.id.value) if input.id else None
    return await accounts.revoke_session(op, session_id=session_id)


@mutation(
    AccountRoleAddPayload,
    NotFound,
    needs=Needs.SIGNED_IN,
    description="Become a freelancer or a client as well; NOOP for who is already.",
)
async def account_role_add(op: Operation, input: AccountRoleAddInput) -> Answer:
    return await accounts.add_role(op, role=input.role)
