"""What can be done to gigs."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import strawberry
from strawberry import Maybe

from models.errors import InvalidTransition, NotFound, StaleVersion
from models.gig import (
    GigIdTaken,
    GigNotEditable,
    GigVisibility,
    NobodyHired,
    NoPlaceLeft,
    SkillNeed,
    TermsFixed,
)
from models.gig_content import GigContent, Question, WantedSkill
from models.ids import decode_id
from models.skill import UnknownSkill
from resolvers import gigs
from resolvers.operation import Operation
from schema.gigs import GigType
from schema.graph import entity
from schema.inputs import given, given_as
from schema.money import BudgetInput
from schema.payloads import IDEMPOTENCY, VERSION, Answer, MutationPayload, Needs, mutation
from schema.scalars import Markdown, whole_days


@strawberry.input(description="A skill that the gig asks for.")
class GigSkillInput:
    skill_id: strawberry.ID = strawberry.field(description="From `skillSuggest`.")
    need: SkillNeed = strawberry.field(
        default=SkillNeed.REQUIRED, description="How much the work depends on it."
    )
    weight: int = strawberry.field(default=3, description="1 (slightly) to 5 (decisive).")


@strawberry.input(description="Something to ask every applicant.")
class GigQuestionInput:
    prompt: str = strawberry.field(description="The question; at most 500 characters.")
    is_required: bool = strawberry.field(
        default=True, description="Whether an application needs an answer to it."
    )


@strawberry.input(description="Input of `gigCreate`.")
class GigCreateInput:
    id: strawberry.ID | None = strawberry.field(default=None, description="An id of your own making (`gig_` and a UUIDv7); made here if absent.")  # fmt: skip
    title: str = strawberry.field(description="1 to 120 characters.")
    description: Markdown = strawberry.field(description="1 to 20,000 characters.")
    budget: BudgetInput = strawberry.field(description="What you are ready to pay.")
    deadline: datetime = strawberry.field(description="Until when applications are taken; in the future.")
    expected_duration: timedelta | None = strawberry.field(default=None, description="How long the work will take, in whole days.")  # fmt: skip
    wanted: int = strawberry.field(default=1, description="How many freelancers you want: 1 to 50.")
    visibility: GigVisibility = strawberry.field(default=GigVisibility.PUBLIC, description="Who may see it once it is out.")  # fmt: skip
    skills: list[GigSkillInput] = strawberry.field(default_factory=list, description="At most 20, most important first.")  # fmt: skip
    questions: list[GigQuestionInput] = strawberry.field(default_factory=list, description="At most 10.")
    languages: list[str] = strawberry.field(default_factory=list, description="ISO 639 codes, one of which has to be spoken; at most 10. Empty: any.")  # fmt: skip
    time_zone: str | None = strawberry.field(default=None, description="An IANA name such as Europe/Berlin, with which `overlapHours` have to be in common.")  # fmt: skip
    overlap_hours: int | None = strawberry.field(default=None, description="How many of the eight hours of a working day: 1 to 8; goes with `timeZone`.")  # fmt: skip
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `gigEdit`; absent parts stay as they are.")
class GigEditInput:
    id: strawberry.ID = strawberry.field(description="The gig.")
    title: Maybe[str] = strawberry.field(description="1 to 120 characters.")
    description: Maybe[Markdown] = strawberry.field(description="1 to 20,000 characters.")
    budget: Maybe[BudgetInput] = strawberry.field(description="Fixed once people have applied.")
    deadline: Maybe[datetime] = strawberry.field(description="In the future.")
    expected_duration: Maybe[timedelta | None] = strawberry.field(description="In whole days; null: open.")
    wanted: Maybe[int] = strawberry.field(description="Not below the number hired.")
    visibility: Maybe[GigVisibility] = strawberry.field(description="Fixed once people have applied.")
    skills: Maybe[list[GigSkillInput]] = strawberry.field(description="The whole list.")
    questions: Maybe[list[GigQuestionInput]] = strawberry.field(
        description="The whole list; fixed once people have applied."
    )
    languages: Maybe[list[str]] = strawberry.field(description="The whole list.")
    time_zone: Maybe[str | None] = strawberry.field(
        description="An IANA name such as Europe/Berlin; null, together with `overlapHours`: any."
    )
    overlap_hours: Maybe[int | None] = strawberry.field(description="1 to 8; goes with `timeZone`.")
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Names a gig.")
class GigNameInput:
    id: strawberry.ID = strawberry.field(description="The gig.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Names a gig to change.")
class GigActInput(GigNameInput):
    expected_version: int | None = strawberry.field(default=None, description=VERSION)


@strawberry.type(description="Answer to a mutation of a gig.")
class GigPayload(MutationPayload):
    gig: GigType | None = entity("The gig as it is now.")


@strawberry.input(description="Input of `gigReopen`.")
class GigReopenInput(GigActInput):
    deadline: datetime = strawberry.field(description="The new deadline, in the future.")


@strawberry.input(description="Input of `gigCancel`.")
class GigCancelInput(GigActInput):
    note: str | None = strawberry.field(default=None, description="Why, for those who applied.")


@strawberry.input(description="Input of `gigReject` and `gigRequestChanges`.")
class GigReviewInput(GigNameInput):
    reason: str = strawberry.field(description="What is wrong, for the client; at most 2,000 characters.")


def _id(input: Any) -> UUID:
    return decode_id("gig", input.id)


def _wanted_skills(skills: list[GigSkillInput]) -> tuple[WantedSkill, ...]:
    return tuple(
        WantedSkill(decode_id("skill", s.skill_id, path=("skills", str(i), "skillId")), s.need, s.weight)
        for i, s in enumerate(skills)
    )


def _budget_parts(budget: BudgetInput) -> dict[str, Any]:
    return {
        "budget_kind": budget.kind,
        "budget_min": budget.min,
        "budget_max": budget.max,
        "currency": budget.currency,
    }


def _questions(questions: list[GigQuestionInput]) -> tuple[Question, ...]:
    return tuple(Question(q.prompt, q.is_required) for q in questions)


@mutation(
    GigPayload,
    UnknownSkill,
    GigIdTaken,
    needs=Needs.CLIENT,
    description="Begin a draft that only you see. `gigPublish` lets it out.",
)
async def gig_create(op: Operation, input: GigCreateInput) -> Answer:
    content = GigContent(
        title=input.title,
        description=input.description,
        budget_kind=input.budget.kind,
        budget_min=input.budget.min,
        budget_max=input.budget.max,
        currency=input.budget.currency,
        deadline=input.deadline,
        expected_days=whole_days(input.expected_duration, path="expectedDuration"),
        wanted=input.wanted,
        visibility=input.visibility,
        skills=_wanted_skills(input.skills),
        questions=_questions(input.questions),
        languages=tuple(input.languages),
        time_zone=input.time_zone,
        overlap_hours=input.overlap_hours,
    )
    return await gigs.create_gig(op, content, id=None if input.id is None else _id(input))


@mutation(
    GigPayload,
    NotFound,
    StaleVersion,
    GigNotEditable,
    TermsFixed,
    UnknownSkill,
    needs=Needs.CLIENT,
    description="Change parts of a gig. Applicants are protected: budget, visibility and questions are fixed once "
    "somebody has applied.",
)
async def gig_edit(op: Operation, input: GigEditInput) -> Answer:
    changes = {
        **given(
            input, "title", "description", "deadline", "wanted", "visibility", "time_zone", "overlap_hours"
        ),
        **given_as(input, "budget", _budget_parts),
        **given_as(
            input, "expected_duration", lambda d: {"expected_days": whole_days(d, path="expectedDuration")}
        ),
        **given_as(input, "skills", lambda skills: {"skills": _wanted_skills(skills)}),
        **given_as(input, "questions", lambda questions: {"questions": _questions(questions)}),
        **given_as(input, "languages", lambda languages: {"languages": tuple(languages)}),
    }
    return await gigs.edit_gig(op, _id(input), changes, expected_version=input.expected_version)


_MOVES = (NotFound, StaleVersion, InvalidTransition)
_REVIEWS = (NotFound, InvalidTransition)


@mutation(
    GigPayload,
    *_MOVES,
    needs=Needs.CLIENT,
    description="Let a draft out; where gigs need approval it goes to the administrators first.",
)
async def gig_publish(op: Operation, input: GigActInput) -> Answer:
    return await gigs.publish_gig(op, _id(input), expected_version=input.expected_version)


@mutation(
    GigPayload,
    *_MOVES,
    needs=Needs.CLIENT,
    description="Take no new applications for now; `gigResume` undoes it.",
)
async def gig_pause(op: Operation, input: GigActInput) -> Answer:
    return await gigs.pause_gig(op, _id(input), expected_version=input.expected_version)


@mutation(GigPayload, *_MOVES, needs=Needs.CLIENT, description="Take applications again after a pause.")
async def gig_resume(op: Operation, input: GigActInput) -> Answer:
    return await gigs.resume_gig(op, _id(input), expected_version=input.expected_version)


@mutation(
    GigPayload,
    *_MOVES,
    NoPlaceLeft,
    needs=Needs.CLIENT,
    description="Look for people again, after the gig expired or when a place became free.",
)
async def gig_reopen(op: Operation, input: GigReopenInput) -> Answer:
    return await gigs.reopen_gig(
        op, _id(input), deadline=input.deadline, expected_version=input.expected_version
    )


@mutation(
    GigPayload,
    *_MOVES,
    NobodyHired,
    needs=Needs.CLIENT,
    description="Go on with those who are hired though places are left; `gigReopen` undoes it.",
)
async def gig_stop_hiring(op: Operation, input: GigActInput) -> Answer:
    return await gigs.stop_hiring(op, _id(input), expected_version=input.expected_version)


@mutation(
    GigPayload,
    *_MOVES,
    needs=Needs.CLIENT,
    description="Give a gig up for which nobody is hired. It cannot be undone, but `gigDuplicate` makes a new draft of it.",
)
async def gig_cancel(op: Operation, input: GigCancelInput) -> Answer:
    return await gigs.cancel_gig(op, _id(input), note=input.note, expected_version=input.expected_version)


@mutation(
    GigPayload,
    NotFound,
    UnknownSkill,
    needs=Needs.CLIENT,
    description="Begin a new draft with the content of an own gig.",
)
async def gig_duplicate(op: Operation, input: GigNameInput) -> Answer:
    return await gigs.duplicate_gig(op, _id(input))


@mutation(GigPayload, *_REVIEWS, needs=Needs.ADMIN, description="Let a gig out that waits for approval.")
async def gig_approve(op: Operation, input: GigNameInput) -> Answer:
    return await gigs.approve_gig(op, _id(input))


@mutation(GigPayload, *_REVIEWS, needs=Needs.ADMIN, description="Refuse a gig that waits for approval.")
async def gig_reject(op: Operation, input: GigReviewInput) -> Answer:
    return await gigs.reject_gig(op, _id(input), reason=input.reason)


@mutation(
    GigPayload,
    *_REVIEWS,
    needs=Needs.ADMIN,
    description="Send a gig back to its client with what has to change.",
)
async def gig_request_changes(op: Operation, input: GigReviewInput) -> Answer:
    return await gigs.request_gig_changes(op, _id(input), reason=input.reason)


@mutation(GigPayload, NotFound, needs=Needs.SIGNED_IN, description="Keep an eye on a gig; NOOP if you do.")
async def gig_save(op: Operation, input: GigNameInput) -> Answer:
    return await gigs.save_gig(op, _id(input))


@mutation(
    GigPayload,
    needs=Needs.SIGNED_IN,
    description="Stop keeping an eye on a gig; NOOP if you do not.",
)
async def gig_unsave(op: Operation, input: GigNameInput) -> Answer:
    return await gigs.unsave_gig(op, _id(input))
