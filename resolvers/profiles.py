"""What people show of themselves. In updates a part that is absent stays as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.checks import Checks
from models.errors import Invalid
from models.money import Money
from models.profile import (
    MAX_SKILLS,
    ClientProfile,
    FreelancerProfile,
    FreelancerSkill,
    ProfileEdited,
    SkillLevel,
    check_last_used,
    missing_parts,
)
from models.store.sql import Receipt, Transaction
from models.table import check_version
from models.user import Role
from resolvers.operation import Operation
from resolvers.skills import require_known_skills


@dataclass(frozen=True, slots=True)
class Rate:
    """What an hour costs."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Expertise:
    skill_id: UUID
    level: SkillLevel
    years: int
    last_used_on: date | None = None


async def edit_freelancer(
    op: Operation, changes: Mapping[str, Any], *, expected_version: int | None
) -> Receipt:
    """`changes` maps columns of the profile to new values, `rate` to a `Rate` or None."""
    user_id = op.viewer.require(Role.FREELANCER)
    async with op.transaction() as tx:
        profile = await _lock_freelancer(tx, user_id)
        check_version(profile, expected_version, entity_id=user_id)
        return _edit(op, tx, profile, _checked_freelancer(changes))


async def edit_client(op: Operation, changes: Mapping[str, Any], *, expected_version: int | None) -> Receipt:
    user_id = op.viewer.require(Role.CLIENT)
    async with op.transaction() as tx:
        profile = await tx.lock(ClientProfile, col(ClientProfile.user_id) == user_id, what="client")
        check_version(profile, expected_version, entity_id=user_id)
        return _edit(op, tx, profile, _checked_client(changes))


async def set_expertise(
    op: Operation, skills: Sequence[Expertise], *, expected_version: int | None
) -> Receipt:
    """The whole list of skills in the order shown, replacing the one before."""
    user_id = op.viewer.require(Role.FREELANCER)
    _check_expertise(op, skills)
    async with op.transaction() as tx:
        profile = await _lock_freelancer(tx, user_id)
        check_version(profile, expected_version, entity_id=user_id)
        before = await tx.all(FreelancerSkill, col(FreelancerSkill.freelancer_id) == user_id)
        kept = {row.skill_id for row in before}
        await require_known_skills(tx, [skill.skill_id for skill in skills], kept=kept)
        await tx.execute(sa.delete(FreelancerSkill).where(col(FreelancerSkill.freelancer_id) == user_id))
        for position, skill in enumerate(skills):
            tx.add(
                FreelancerSkill(
                    freelancer_id=user_id,
                    skill_id=skill.skill_id,
                    level=skill.level,
                    years=skill.years,
                    last_used_on=skill.last_used_on,
                    position=position,
                )
            )
        profile.touch(at=op.now())
        tx.emit(ProfileEdited(person_id=user_id, parts=("skills",), at=op.now()))
        return tx.done(user_id)


async def missing_parts_of(op: Operation, user_ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    """What is missing in the viewer's own profile; other people's profiles are not answered for."""
    own = [user_id for user_id in user_ids if user_id == op.viewer.user_id]
    if not own:
        return {}
    profile = FreelancerProfile
    skills = sa.select(sa.func.count()).where(col(FreelancerSkill.freelancer_id) == col(profile.user_id))
    statement = sa.select(
        col(profile.user_id),
        col(profile.headline),
        col(profile.overview),
        col(profile.rate_minor),
        col(profile.hours_per_week),
        col(profile.time_zone),
        col(profile.country),
        col(profile.languages),
        skills.scalar_subquery().label("skills"),
    ).where(col(profile.user_id).in_(own))
    rows = [dict(row._mapping) for row in await op.db.fetch(statement)]
    return {row.pop("user_id"): missing_parts(**row) for row in rows}


async def _lock_freelancer(tx: Transaction, user_id: UUID) -> FreelancerProfile:
    return await tx.lock(FreelancerProfile, col(FreelancerProfile.user_id) == user_id, what="freelancer")


def _edit(
    op: Operation, tx: Transaction, profile: FreelancerProfile | ClientProfile, values: Mapping[str, Any]
) -> Receipt:
    """Set the columns; NOOP if none of them changes."""
    if all(getattr(profile, name) == value for name, value in values.items()):
        return tx.noop(profile.user_id)
    for name, value in values.items():
        setattr(profile, name, value)
    profile.touch(at=op.now())
    tx.emit(ProfileEdited(person_id=profile.user_id, parts=tuple(sorted(values)), at=op.now()))
    return tx.done(profile.user_id)


def _checked_freelancer(changes: Mapping[str, Any]) -> dict[str, Any]:
    checks = Checks()
    values = dict(changes)
    _check_texts(checks, values, {"headline": 120, "overview": 10_000})
    if (hours := values.get("hours_per_week")) is not None:
        checks.between(("hoursPerWeek",), hours, min=1, max=80)
    if (zone := values.get("time_zone")) is not None:
        checks.time_zone(("timeZone",), zone)
    if (country := values.get("country")) is not None:
        checks.country(("country",), country)
    if (languages := values.get("languages")) is not None:
        checks.count(("languages",), languages, max=20)
        checks.distinct(("languages",), languages)
        for index, language in enumerate(languages):
            checks.language(("languages", str(index)), language)
    if "rate" in values:
        values |= _checked_rate(checks, values.pop("rate"))
    checks.done()
    return values


def _checked_client(changes: Mapping[str, Any]) -> dict[str, Any]:
    checks = Checks()
    values = dict(changes)
    _check_texts(checks, values, {"company": 120, "about": 10_000})
    if (country := values.get("country")) is not None:
        checks.country(("country",), country)
    checks.done()
    return values


def _check_texts(checks: Checks, values: dict[str, Any], limits: Mapping[str, int]) -> None:
    for name, limit in limits.items():
        if name in values:
            values[name] = checks.text((name,), values[name] or "", max=limit, min=0)


def _checked_rate(checks: Checks, rate: Rate | None) -> dict[str, Any]:
    if rate is None:
        return {"rate_minor": None, "rate_currency": None}
    known = len(checks.refusals)
    checks.currency(("rate", "currency"), rate.currency)
    if len(checks.refusals) > known:
        return {}
    try:
        money = Money.parse(rate.amount, rate.currency, path=("rate", "amount"))
    except Invalid as refusal:
        checks.refusals.append(refusal)
        return {}
    return {"rate_minor": money.minor, "rate_currency": money.currency}


def _check_expertise(op: Operation, skills: Sequence[Expertise]) -> None:
    checks = Checks()
    checks.count(("skills",), skills, max=MAX_SKILLS)
    checks.distinct(("skills",), [skill.skill_id for skill in skills])
    for index, skill in enumerate(skills):
        checks.between(("skills", str(index), "years"), skill.years, min=0, max=60)
        check_last_used(checks, ("skills", str(index), "lastUsedOn"), skill.last_used_on, now=op.now())
    checks.done()
