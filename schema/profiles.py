"""Freelancers and clients as others see them."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import strawberry
from sqlmodel import col
from strawberry import Maybe

from auth import access
from models.application import Application as ApplicationRow
from models.contract import Contract as ContractRow
from models.errors import NotFound, StaleVersion
from models.feedback import Feedback as FeedbackRow
from models.feedback import FeedbackSide
from models.gig import Gig as GigRow
from models.ids import decode_id
from models.invitation import GigInvitation
from models.profile import (
    ClientProfile,
    FreelancerProfile,
    FreelancerSkill,
    SkillLevel,
    Visibility,
    completeness_percent,
)
from models.skill import UnknownSkill
from models.user import User
from models.vocabulary import Vocabulary
from resolvers import profiles, reputation
from resolvers.operation import Operation
from schema.connections import Connection, connection
from schema.filters import Clause, DecimalFilter, IntFilter, TextFilter, compares, means
from schema.graph import column, computed, entity, lookup, many, node, one, record, source, sql
from schema.inputs import given
from schema.keyset import Direction, Key, Nulls, newest
from schema.money import Money, MoneyInput
from schema.node import Node
from schema.payloads import IDEMPOTENCY, VERSION, Answer, MutationPayload, Needs, mutation
from schema.reputation import Rating, TrackRecord, nothing_yet, records, score
from schema.scalars import Markdown
from schema.skill_filter import SkillsFilter, has_skills
from schema.skills import SkillType
from schema.type_names import Application, Contract, Feedback, Gig, Invitation
from schema.words import words

words(Visibility)
words(SkillLevel)


class ProfilePart(Vocabulary):
    """A part of a freelancer's profile that may be missing."""

    SKILLS = "SKILLS", "At least three skills."
    HEADLINE = "HEADLINE", "A headline."
    OVERVIEW = "OVERVIEW", "An overview of at least 100 characters."
    RATE = "RATE", "An hourly rate."
    AVAILABILITY = "AVAILABILITY", "Hours per week."
    LANGUAGES = "LANGUAGES", "At least one language."
    COUNTRY = "COUNTRY", "The country."
    TIME_ZONE = "TIME_ZONE", "The time zone."


words(ProfilePart)


@strawberry.type(description="How complete a profile is.")
class ProfileCompleteness:
    percent: int = strawberry.field(description="0 to 100.")
    missing: list[ProfilePart] = strawberry.field(description="What is missing, what helps most first.")


async def _completeness(op: Operation, user_ids: Sequence[UUID]) -> dict[UUID, ProfileCompleteness]:
    missing = await profiles.missing_parts_of(op, user_ids)
    return {
        user_id: ProfileCompleteness(
            percent=completeness_percent(parts), missing=[ProfilePart(part) for part in parts]
        )
        for user_id, parts in missing.items()
    }


@record(
    FreelancerSkill,
    scope=access.everybody,
    name="Expertise",
    description="A skill with how well a freelancer has it.",
)
class ExpertiseType:
    skill: SkillType | None = one(FreelancerSkill.skill_id, "The skill; always there.")
    level: SkillLevel = column(FreelancerSkill.level, "By the freelancer's own word.")
    years: int = column(FreelancerSkill.years, "Years of use.")
    last_used_on: date | None = column(
        FreelancerSkill.last_used_on, "When it was last used; null if not told."
    )


@node(
    "freelancer",
    FreelancerProfile,
    key=FreelancerProfile.user_id,
    scope=access.visible_freelancers,
    join=(User, col(User.id) == col(FreelancerProfile.user_id)),
    name="Freelancer",
    description="Somebody who works. Who may see the profile is its owner's choice; business partners always may.",
)
class FreelancerType(Node):
    name: str = column(User.name, "The person's name.")
    headline: str = column(FreelancerProfile.headline, "One line; empty until written.")
    overview: Markdown = column(FreelancerProfile.overview, "What the freelancer says of themselves.")
    rate: Money | None = computed(
        Money.of,
        FreelancerProfile.rate_minor,
        FreelancerProfile.rate_currency,
        description="What an hour costs; null if not told.",
    )
    hours_per_week: int | None = column(FreelancerProfile.hours_per_week, "Hours a week; null if not told.")
    available_from: date | None = column(
        FreelancerProfile.available_from, "First free day; null: at once or not told."
    )
    time_zone: str | None = column(FreelancerProfile.time_zone, "An IANA name such as Europe/Berlin.")
    country: str | None = column(FreelancerProfile.country, "ISO 3166-1 alpha-2.")
    languages: list[str] = column(FreelancerProfile.languages, "ISO 639 codes, best first.")
    visibility: Visibility = column(FreelancerProfile.visibility, "Who may see the profile.")
    version: int = column(FreelancerProfile.version, "Counts the changes; for `expectedVersion`.")
    created_at: datetime = column(FreelancerProfile.created_at, "When the profile was made.")
    skills: list[SkillType] = many(
        FreelancerSkill.freelancer_id,
        "Skills in the order the freelancer gave; levels are in `expertise`.",
        to=FreelancerSkill.skill_id,
        order=[FreelancerSkill.position],
    )
    expertise: list[ExpertiseType] = many(
        FreelancerSkill.freelancer_id,
        "Skills with level, years and last use, in the same order.",
        order=[FreelancerSkill.position],
    )
    rating: Rating = computed(
        Rating.of,
        FreelancerProfile.rating_hundredths,
        FreelancerProfile.rating_count,
        description="What clients have said over the whole time.",
    )
    track_record: TrackRecord = source(
        records(reputation.of_freelancers, recent=False), "Over the whole time.", default=nothing_yet
    )
    recent_track_record: TrackRecord = source(
        records(reputation.of_freelancers, recent=True), "Over the last 180 days.", default=nothing_yet
    )
    applications: Connection[Application] = connection(
        ApplicationRow.freelancer_id,
        "Applications, newest first: the freelancer sees all of their own, a client those for their gigs.",
        default=newest(ApplicationRow.submitted_at),
    )
    contracts: Connection[Contract] = connection(
        ContractRow.freelancer_id,
        "Contracts, newest first: the freelancer sees all of their own, a client those with themselves.",
        default=newest(ContractRow.started_at),
    )
    invitations: Connection[Invitation] = connection(
        GigInvitation.freelancer_id,
        "Invitations, newest first: the freelancer sees all of their own, a client those they sent.",
        default=newest(GigInvitation.created_at),
    )
    feedback: Connection[Feedback] = connection(
        FeedbackRow.subject_id,
        "What clients have said, newest reveal first. Your own words about this freelancer show before the reveal too.",
        default=(Key(sql(FeedbackRow.revealed_at), descending=True, nullable=True, nulls_first=True),),
        narrowed=lambda _: col(FeedbackRow.side) == FeedbackSide.OF_FREELANCER,
    )
    completeness: ProfileCompleteness | None = source(
        _completeness,
        "What is still missing; only the freelancer sees it, null for others.",
    )


@node(
    "client",
    ClientProfile,
    key=ClientProfile.user_id,
    scope=access.visible_clients,
    join=(User, col(User.id) == col(ClientProfile.user_id)),
    name="Client",
    description="Somebody who posts gigs. Who may see the profile is its owner's choice; business partners always may.",
)
class ClientType(Node):
    name: str = column(User.name, "The person's name.")
    company: str = column(ClientProfile.company, "Whom the person buys for; empty if not told.")
    about: Markdown = column(ClientProfile.about, "What the client says of themselves.")
    country: str | None = column(ClientProfile.country, "ISO 3166-1 alpha-2; null if not told.")
    visibility: Visibility = column(ClientProfile.visibility, "Who may see the profile.")
    version: int = column(ClientProfile.version, "Counts the changes; for `expectedVersion`.")
    created_at: datetime = column(ClientProfile.created_at, "When the profile was made.")
    rating: Rating = computed(
        Rating.of,
        ClientProfile.rating_hundredths,
        ClientProfile.rating_count,
        description="What freelancers have said over the whole time.",
    )
    track_record: TrackRecord = source(
        records(reputation.of_clients, recent=False), "Over the whole time.", default=nothing_yet
    )
    recent_track_record: TrackRecord = source(
        records(reputation.of_clients, recent=True), "Over the last 180 days.", default=nothing_yet
    )
    gigs: Connection[Gig] = connection(
        GigRow.client_id,
        "Their gigs that you may see, newest first. `gigs(where: {clientId})` filters and orders them.",
        default=newest(GigRow.listed_at),
    )
    contracts: Connection[Contract] = connection(
        ContractRow.client_id,
        "Contracts, newest first: the client sees all of their own, a freelancer those with themselves.",
        default=newest(ContractRow.started_at),
    )
    feedback: Connection[Feedback] = connection(
        FeedbackRow.subject_id,
        "What freelancers have said, newest reveal first. Your own words about this client show before the reveal too.",
        default=(Key(sql(FeedbackRow.revealed_at), descending=True, nullable=True, nulls_first=True),),
        narrowed=lambda _: col(FeedbackRow.side) == FeedbackSide.OF_CLIENT,
    )


def _has_skills(value: SkillsFilter, op: Operation) -> Clause:
    return has_skills(
        value,
        owner=FreelancerSkill.freelancer_id,
        skill=FreelancerSkill.skill_id,
        of=FreelancerProfile.user_id,
    )


@strawberry.input(description="Which freelancers to list.")
class FreelancerWhere:
    name: Maybe[TextFilter] = compares(User.name, "By name.")
    headline: Maybe[TextFilter] = compares(FreelancerProfile.headline, "By headline.")
    country: Maybe[TextFilter] = compares(FreelancerProfile.country, "By country (ISO 3166-1).")
    hours_per_week: Maybe[IntFilter] = compares(FreelancerProfile.hours_per_week, "By available hours.")
    rating: Maybe[DecimalFilter] = compares(
        score(FreelancerProfile.rating_hundredths), "By rating, 1 to 5; nobody without feedback matches."
    )
    skills: Maybe[SkillsFilter] = means(_has_skills, "By skills.")
    and_: Maybe[list["FreelancerWhere"]] = strawberry.field(name="AND", description="All of these hold.")
    or_: Maybe[list["FreelancerWhere"]] = strawberry.field(
        name="OR", description="At least one of these holds."
    )
    not_: Maybe["FreelancerWhere"] = strawberry.field(name="NOT", description="This does not hold.")


class FreelancerOrderField(Vocabulary):
    """What freelancers can be ordered by."""

    CREATED_AT = "CREATED_AT", "When the profile was made."
    RATING = "RATING", "The lifetime rating; without feedback there is none."
    NAME = "NAME", "The name."


words(FreelancerOrderField)


@strawberry.input(description="One key of an order of freelancers.")
class FreelancerOrder:
    field: FreelancerOrderField = strawberry.field(description="What to order by.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="Which end comes first.")
    nulls: Nulls | None = strawberry.field(
        default=None, description="Where those without a value stand; by default behind the smallest."
    )


@strawberry.type
class ProfileQuery:
    freelancer: FreelancerType | None = lookup(
        "A freelancer by id; null if there is none or you may not see them."
    )
    client: ClientType | None = lookup("A client by id; null if there is none or you may not see them.")
    freelancers: Connection[FreelancerType] = connection(
        None,
        "Freelancers whose profiles you may see, newest first unless ordered otherwise.",
        default=newest(FreelancerProfile.created_at),
        where=FreelancerWhere,
        order=FreelancerOrder,
        orders={
            FreelancerOrderField.CREATED_AT: Key(sql(FreelancerProfile.created_at)),
            FreelancerOrderField.RATING: Key(sql(FreelancerProfile.rating_hundredths), nullable=True),
            FreelancerOrderField.NAME: Key(sql(User.name)),
        },
    )


# -- mutations ---------------------------------------------------------------------------------------------------------


@strawberry.input(
    description="Input of `freelancerUpdate`; absent parts stay as they are, null empties them."
)
class FreelancerUpdateInput:
    headline: Maybe[str | None] = strawberry.field(description="One line, at most 120 characters.")
    overview: Maybe[Markdown | None] = strawberry.field(description="At most 10,000 characters.")
    rate: Maybe[MoneyInput | None] = strawberry.field(description="What an hour costs.")
    hours_per_week: Maybe[int | None] = strawberry.field(description="1 to 80.")
    available_from: Maybe[date | None] = strawberry.field(description="First free day; null: at once.")
    time_zone: Maybe[str | None] = strawberry.field(description="An IANA name such as Europe/Berlin.")
    country: Maybe[str | None] = strawberry.field(description="ISO 3166-1 alpha-2.")
    languages: Maybe[list[str]] = strawberry.field(description="ISO 639 codes, best first, at most 20.")
    visibility: Maybe[Visibility] = strawberry.field(description="Who may see the profile.")
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `clientUpdate`; absent parts stay as they are, null empties them.")
class ClientUpdateInput:
    company: Maybe[str | None] = strawberry.field(description="Whom you buy for, at most 120 characters.")
    about: Maybe[Markdown | None] = strawberry.field(description="At most 10,000 characters.")
    country: Maybe[str | None] = strawberry.field(description="ISO 3166-1 alpha-2.")
    visibility: Maybe[Visibility] = strawberry.field(description="Who may see the profile.")
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="A skill and how well you have it.")
class ExpertiseInput:
    skill_id: strawberry.ID = strawberry.field(description="From `skillSuggest`.")
    level: SkillLevel = strawberry.field(description="By your own word.")
    years: int = strawberry.field(description="Years of use, 0 to 60.")
    last_used_on: date | None = strawberry.field(
        default=None, description="When you last used it; not in the future."
    )


@strawberry.input(description="Input of `freelancerSkillsSet`.")
class FreelancerSkillsSetInput:
    skills: list[ExpertiseInput] = strawberry.field(
        description="The whole list, most important first; at most 50."
    )
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.type(description="Answer to a mutation of a freelancer's profile.")
class FreelancerPayload(MutationPayload):
    freelancer: FreelancerType | None = entity("The profile as it is now.")


@strawberry.type(description="Answer to `clientUpdate`.")
class ClientPayload(MutationPayload):
    client: ClientType | None = entity("The profile as it is now.")


@mutation(
    FreelancerPayload,
    NotFound,
    StaleVersion,
    needs=Needs.FREELANCER,
    description="Change parts of your profile.",
)
async def freelancer_update(op: Operation, input: FreelancerUpdateInput) -> Answer:
    changes = given(input, "headline", "overview", "hours_per_week", "available_from", "time_zone", "country",
                    "languages", "visibility", "rate")  # fmt: skip
    if rate := changes.get("rate"):
        changes["rate"] = profiles.Rate(rate.amount, rate.currency)
    return await profiles.edit_freelancer(op, changes, expected_version=input.expected_version)


@mutation(
    FreelancerPayload,
    NotFound,
    StaleVersion,
    UnknownSkill,
    needs=Needs.FREELANCER,
    description="Say which skills you have. The list replaces the one before.",
)
async def freelancer_skills_set(op: Operation, input: FreelancerSkillsSetInput) -> Answer:
    skills = [
        profiles.Expertise(
            decode_id("skill", skill.skill_id, path=("skills", str(index), "skillId")),
            skill.level,
            skill.years,
            skill.last_used_on,
        )
        for index, skill in enumerate(input.skills)
    ]
    return await profiles.set_expertise(op, skills, expected_version=input.expected_version)


@mutation(
    ClientPayload, NotFound, StaleVersion, needs=Needs.CLIENT, description="Change parts of your profile."
)
async def client_update(op: Operation, input: ClientUpdateInput) -> Answer:
    changes = given(input, "company", "about", "country", "visibility")
    return await profiles.edit_client(op, changes, expected_version=input.expected_version)
