"""Accounts and the audit log as administrators see them, and what they do to accounts."""

from datetime import datetime

import strawberry
from sqlmodel import col
from strawberry import Maybe

from auth import access
from models.administration import AdminAct, AdminActKind
from models.errors import Invalid, NotFound, RateLimited
from models.ids import decode_id
from models.user import (
    AccountGone,
    ContractsActive,
    LastSuperAdmin,
    Role,
    User,
    UserStatus,
    WrongPassword,
)
from models.vocabulary import Vocabulary
from resolvers import administration, erasure
from resolvers.operation import Operation
from schema.accounts import UserType
from schema.connections import Connection, connection
from schema.filters import Clause, DateTimeFilter, Equality, compares, literal_pattern, means
from schema.graph import column, entity, node, one, source, sql
from schema.keyset import Direction, Key, Nulls, newest
from schema.node import Node
from schema.notes import notes
from schema.payloads import IDEMPOTENCY, Answer, MutationPayload, Needs, mutation
from schema.scalars import Markdown
from schema.words import words

words(AdminActKind)

# -- finding people --------------------------------------------------------------------------------------------------------


def _has_role(role: Role, op: Operation) -> Clause:
    return col(User.roles).contains([role.value])


def _is_called(text: str, op: Operation) -> Clause:
    if "\0" in text:
        raise Invalid(("where", "text"), "PRINTABLE", "It contains NUL, which no text here does.")
    pattern = f"%{literal_pattern(text)}%"
    return col(User.name).ilike(pattern) | col(User.email).ilike(pattern)


def _is_account(id: str, op: Operation) -> Clause:
    return col(AdminAct.account_id) == decode_id("user", id, path=("where", "accountId"))


def _is_actor(id: str, op: Operation) -> Clause:
    return col(AdminAct.actor_id) == decode_id("user", id, path=("where", "actorId"))


@strawberry.input(description="Which accounts to list.")
class AccountWhere:
    text: Maybe[str] = means(_is_called, "Part of the name or of the e-mail address; case does not matter.")
    role: Maybe[Role] = means(_has_role, "Who has this role.")
    status: Maybe[Equality[UserStatus]] = compares(User.status, "By status.")
    created_at: Maybe[DateTimeFilter] = compares(User.created_at, "By when the account was opened.")
    suspended_until: Maybe[DateTimeFilter] = compares(
        User.suspended_until, "By when a suspension ends by itself."
    )


class AccountOrderField(Vocabulary):
    """What accounts can be ordered by."""

    CREATED_AT = "CREATED_AT", "When the account was opened."
    NAME = "NAME", "The name."
    EMAIL = "EMAIL", "The e-mail address."


words(AccountOrderField)


@strawberry.input(description="One key of an order of accounts.")
class AccountOrder:
    field: AccountOrderField = strawberry.field(description="What to order by.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="Which end comes first.")
    nulls: Nulls | None = strawberry.field(
        default=None, description="Where those without a value stand; every account has all of these."
    )


# -- the audit log ---------------------------------------------------------------------------------------------------------


@node(
    "adminact",
    AdminAct,
    scope=access.visible_admin_acts,
    name="AdminAct",
    description="Something that was done to an account. It is never changed; administrators see it.",
)
class AdminActType(Node):
    kind: AdminActKind = column(AdminAct.kind, "What was done.")
    actor: UserType | None = one(
        AdminAct.actor_id, "Who did it; null for the platform itself: its clock, or the command line."
    )
    account: UserType | None = one(AdminAct.account_id, "Whom it was done to; always there.")
    role: Role | None = column(AdminAct.role, "Which role was given or taken; null for other acts.")
    until: datetime | None = column(
        AdminAct.until,
        "When the suspension ends by itself; null for other acts, or until somebody ends it.",
    )
    reason: Markdown | None = source(
        notes,
        "Why, as the person was told; null without a reason, or if it went with the person.",
        key=AdminAct.remark_id,
    )
    at: datetime = column(AdminAct.at, "When.")


@strawberry.input(description="Which acts to list.")
class AdminActWhere:
    kind: Maybe[Equality[AdminActKind]] = compares(AdminAct.kind, "By what was done.")
    account_id: Maybe[strawberry.ID] = means(_is_account, "To this account.")
    actor_id: Maybe[strawberry.ID] = means(_is_actor, "By this account.")
    role: Maybe[Equality[Role]] = compares(AdminAct.role, "By the role that was given or taken.")
    at: Maybe[DateTimeFilter] = compares(AdminAct.at, "By when it was done.")


@strawberry.type
class AdministrationQuery:
    accounts: Connection[UserType] = connection(
        None,
        "Accounts, newest first unless ordered otherwise: all for administrators, for others their own.",
        default=newest(User.created_at),
        where=AccountWhere,
        order=AccountOrder,
        orders={
            AccountOrderField.CREATED_AT: Key(sql(User.created_at)),
            AccountOrderField.NAME: Key(sql(User.name)),
            AccountOrderField.EMAIL: Key(sql(User.email)),
        },
    )
    admin_acts: Connection[AdminActType] = connection(
        None,
        "What was done to accounts, newest first; empty for everybody but administrators.",
        default=newest(AdminAct.at),
        where=AdminActWhere,
    )


# -- acts ------------------------------------------------------------------------------------------------------------------

_ACCOUNT = "The account, by its id in `accounts`."
_REASON = "Why, in 1 to 2,000 characters: the person is told."


@strawberry.input(description="Input of `accountSuspend`.")
class AccountSuspendInput:
    id: strawberry.ID = strawberry.field(description=_ACCOUNT)
    reason: str = strawberry.field(description=_REASON)
    until: datetime | None = strawberry.field(
        default=None, description="When it ends by itself; until `accountRestore` if absent."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `accountRestore`.")
class AccountRestoreInput:
    id: strawberry.ID = strawberry.field(description=_ACCOUNT)
    reason: str | None = strawberry.field(default=None, description="Why, for the audit log.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="A role of somebody.")
class AccountRoleInput:
    id: strawberry.ID = strawberry.field(description=_ACCOUNT)
    role: Role = strawberry.field(description="The role; ADMIN and SUPER_ADMIN are for super admins to give.")
    reason: str = strawberry.field(description=_REASON)
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `accountErase`.")
class AccountEraseInput:
    id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Somebody else's account, which only super admins erase; your own if absent.",
    )
    password: str | None = strawberry.field(
        default=None, description="Your password, to erase your own account."
    )
    reason: str | None = strawberry.field(
        default=None, description="Why, to erase somebody else's; it stays in the audit log: name nobody."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.type(description="Answer to a mutation of somebody's account.")
class AccountPayload(MutationPayload):
    account: UserType | None = entity("The account as it is now.")


@mutation(
    AccountPayload,
    NotFound,
    AccountGone,
    needs=Needs.ADMIN,
    description="Shut an account: its sessions and streams end within a second, and signing in is refused with "
    "`ACCOUNT_SUSPENDED`. Its gigs and profiles are hidden and take no applications; contracts go on. Once more changes end and "
    "reason. Only super admins suspend administrators.",
)
async def account_suspend(op: Operation, input: AccountSuspendInput) -> Answer:
    user_id = decode_id("user", input.id)
    return await administration.suspend_account(op, user_id, reason=input.reason, until=input.until)


@mutation(
    AccountPayload,
    NotFound,
    AccountGone,
    needs=Needs.ADMIN,
    description="End a suspension; NOOP for an account that is open. The person signs in again.",
)
async def account_restore(op: Operation, input: AccountRestoreInput) -> Answer:
    return await administration.restore_account(op, decode_id("user", input.id), reason=input.reason)


@mutation(
    AccountPayload,
    NotFound,
    AccountGone,
    needs=Needs.ADMIN,
    description="Give somebody a role; NOOP for who has it. Access tokens of before are refused with `ROLES_CHANGED` from then on, "
    "and streams end: the person's client refreshes the session and goes on. Only super admins make administrators.",
)
async def account_grant_role(op: Operation, input: AccountRoleInput) -> Answer:
    return await administration.grant_role(op, decode_id("user", input.id), input.role, reason=input.reason)


@mutation(
    AccountPayload,
    NotFound,
    AccountGone,
    needs=Needs.ADMIN,
    description="Take a role from somebody; NOOP for who has it not. What they did in it stays. As with `accountGrantRole`, their "
    "access tokens of before are refused.",
)
async def account_revoke_role(op: Operation, input: AccountRoleInput) -> Answer:
    return await administration.revoke_role(op, decode_id("user", input.id), input.role, reason=input.reason)


@mutation(
    AccountPayload,
    NotFound,
    AccountGone,
    ContractsActive,
    LastSuperAdmin,
    WrongPassword,
    RateLimited,
    needs=Needs.SIGNED_IN,
    description="Erase an account for good: name, address, profiles, sessions and everything its person wrote go, the keys of their "
    "chat are destroyed, their gigs and bids end. Contracts have to be over. What others need (contracts and the text of their gig, "
    "tasks, ratings) stays without the name.",
)
async def account_erase(op: Operation, input: AccountEraseInput) -> Answer:
    user_id = None if input.id is None else decode_id("user", input.id)
    if user_id is None or user_id == op.viewer.user_id:
        return await erasure.erase_own_account(op, password=input.password or "")
    return await erasure.erase_account_of(op, user_id, reason=input.reason or "")
