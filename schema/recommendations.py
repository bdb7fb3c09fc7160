"""Recommendations as clients see them: lists that keep their order, each item with its reasons."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import strawberry

from models.errors import Invalid
from models.vocabulary import Vocabulary
from resolvers import recommendations
from resolvers.market_documents import DAY_S
from resolvers.operation import Operation
from resolvers.recommendations import Item, Part, Similar
from resolvers.recommendations import Page as Recommended
from resolvers.recommender import RecommendationState
from schema.analysis import priced
from schema.connections import MAX_PAGE, Page, PageInfo, paging_arguments
from schema.graph import Answered, Context, argument, declare, reference, source
from schema.type_names import Freelancer, Gig, Skill
from schema.words import words

words(RecommendationState)
DEFAULT_FIRST = 10
WORK_OF_A_LIST, WORK_OF_A_FIT = 10, 5
"""What ranking costs beside the objects it answers, in the price of an operation."""


class RecommendationBasis(Vocabulary):
    """What a score stands on."""

    LEXICAL = "LEXICAL", "Skills and words."
    HYBRID = "HYBRID", "Skills, words, and what texts mean."
    LEARNED = "LEARNED", "A model that was trained on what came of earlier gigs."


class ScorePartName(Vocabulary):
    """What speaks for or against somebody."""

    BASE = "BASE", "Where everybody starts."
    SKILLS = "SKILLS", "Skills that the work needs; a skill that is near to one counts half of its likeness."
    NICE_SKILLS = "NICE_SKILLS", "Skills that help."
    SKILL_EXPERIENCE = "SKILL_EXPERIENCE", "Past gigs with these skills."
    WORDS = "WORDS", "Words in common."
    MEANING = "MEANING", "What both texts mean."
    ACTIVITY = "ACTIVITY", "How much was done lately."
    RECORD = "RECORD", "How past work went."
    PRICE = "PRICE", "The rate against the budget."
    LIMIT = "LIMIT", "What lies beyond 0 or 100, taken back."


class PlacedBy(Vocabulary):
    """Why something stands at its place of a list."""

    SCORE = "SCORE", "By its score."
    EXPLORATION = "EXPLORATION", "At a place that is kept for newcomers."
    DIVERSITY = "DIVERSITY", "Behind the first places, where three of the same client stand."
    EXPOSURE = "EXPOSURE", "Behind the first places, having stood there in most lists lately."


class EvidenceSource(Vocabulary):
    """Where a skill is seen."""

    PROFILE = "PROFILE", "In the list of skills of the profile."
    GIG = "GIG", "In the list of skills of the similar gig."
    TEXT = "TEXT", "In the text of the profile, or of the similar gig."
    PAST_GIG = "PAST_GIG", "In a gig that was completed."


for _vocabulary in (RecommendationBasis, ScorePartName, PlacedBy, EvidenceSource):
    words(_vocabulary)


# -- reasons -------------------------------------------------------------------------------------------------------------


@strawberry.type(description="A part of a score.")
class ScorePart:
    name: ScorePartName = strawberry.field(description="What it is about.")
    points: int = strawberry.field(description="Points, below zero for what speaks against.")


@strawberry.type(description="Characters of a text, counted from 0.")
class TextSpan:
    start: int = strawberry.field(description="The first character.")
    end: int = strawberry.field(description="The one behind the last.")


@strawberry.type(description="Where a skill is seen.")
class SkillEvidence:
    source: EvidenceSource = strawberry.field(description="In which place.")
    span: TextSpan | None = strawberry.field(
        description="The characters of the freelancer's `overview`, or of the similar gig's `description`, that name it; null but for "
        "TEXT."
    )
    at: datetime | None = strawberry.field(description="When that gig came out; null but for PAST_GIG.")
    gig: Gig | None = reference("gig_id", "That gig; null but for PAST_GIG, or if you may not see it.")
    gig_id: strawberry.Private[UUID | None]


@strawberry.type(description="A skill that both have.")
class MatchedSkill:
    skill: Skill | None = reference("skill_id", "The skill; null if it has left the taxonomy.")
    is_required: bool = strawberry.field(description="Whether the work needs it, or it only helps.")
    evidence: list[SkillEvidence] = strawberry.field(
        description="Where it is seen; past gigs newest first, at most three."
    )
    skill_id: strawberry.Private[UUID | None]


@strawberry.type(description="A skill that is missing.")
class MissingSkill:
    skill: Skill | None = reference("skill_id", "The skill; null if it has left the taxonomy.")
    is_required: bool = strawberry.field(description="Whether the work needs it, or it only helps.")
    skill_id: strawberry.Private[UUID | None]


@strawberry.type(description="A skill that is near to a missing one: gigs often ask for both.")
class AdjacentSkill:
    skill: Skill | None = reference("skill_id", "The skill that is there.")
    missing: Skill | None = reference("missing_id", "The missing one.")
    likeness: float = strawberry.field(description="0 to 1: how often both are asked for together.")
    skill_id: strawberry.Private[UUID | None]
    missing_id: strawberry.Private[UUID | None]


@strawberry.type(description="What one skill more would change, scored as the score itself.")
class SkillGain:
    skill: Skill | None = reference("skill_id", "The skill.")
    score: int = strawberry.field(description="The score there would be with it.")
    skill_id: strawberry.Private[UUID | None]


@strawberry.interface(description="How well a freelancer and a gig fit, and why.")
class Fitting:
    score: int = strawberry.field(description="0 to 100; the sum of `parts`, exactly.")
    parts: list[ScorePart] = strawberry.field(
        description="What the score is made of, what weighs most first."
    )
    matched: list[MatchedSkill] = strawberry.field(description="Skills that both have, in the gig's order.")
    missing: list[MissingSkill] = strawberry.field(description="Skills that are missing, needed ones first.")
    adjacent: list[AdjacentSkill] = strawberry.field(description="Skills that come near to missing ones.")
    gains: list[SkillGain] = strawberry.field(
        description="What needed skills that are missing would change, at most three, the most first.",
        metadata=priced(size=3),
    )
    basis: RecommendationBasis = strawberry.field(description="What the score stands on.")
    model_version: str = strawberry.field(description="The version of what scored.")


@strawberry.type(description="How well you fit a gig, before you apply.")
class GigFit(Fitting):
    pass


@strawberry.type(
    description="A gig that is recommended to you. The score is as of now, the place as of when the list was made."
)
class GigRecommendation(Fitting):
    gig: Gig | None = reference("gig_id", "The gig; null if it was taken away in this very moment.")
    position: int = strawberry.field(description="Its place in the list, from 1.")
    placed_by: PlacedBy = strawberry.field(description="Why it stands there.")
    gig_id: strawberry.Private[UUID]


@strawberry.type(
    description="A freelancer who is recommended for a gig. The score is as of now, the place as of when the list was made."
)
class FreelancerRecommendation(Fitting):
    freelancer: Freelancer | None = reference(
        "freelancer_id", "The freelancer; null if they hid their profile in this very moment."
    )
    position: int = strawberry.field(description="Their place in the list, from 1.")
    placed_by: PlacedBy = strawberry.field(description="Why they stand there.")
    freelancer_id: strawberry.Private[UUID]


# -- lists ---------------------------------------------------------------------------------------------------------------


@strawberry.type(description="A recommended gig and its place.")
class GigRecommendationEdge:
    cursor: str = strawberry.field(
        description="For `after` and `before`: this place in this list, whose order stays. Without a cursor a new list is made."
    )
    node: GigRecommendation = strawberry.field(description="The recommendation.")


@strawberry.type(description="A recommended freelancer and their place.")
class FreelancerRecommendationEdge:
    cursor: str = strawberry.field(
        description="For `after` and `before`: this place in this list, whose order stays. Without a cursor a new list is made."
    )
    node: FreelancerRecommendation = strawberry.field(description="The recommendation.")


@strawberry.interface(description="A page of recommendations.")
class RecommendationPage:
    state: RecommendationState = strawberry.field(
        description="Whether anything can be recommended now; the page is empty unless READY."
    )
    progress: float = strawberry.field(
        description="How much of the market is loaded, 0 to 1; below 1 while BUILDING."
    )
    basis: RecommendationBasis | None = strawberry.field(
        description="What the order stands on; null for an empty list."
    )
    model_version: str | None = strawberry.field(
        description="The version of what ordered; null for an empty list."
    )
    total_count: int = strawberry.field(
        description="How many the whole list has; it does not change while you page."
    )
    page_info: PageInfo = strawberry.field(description="Where this page lies in the list.")


@strawberry.type(description="A page of gigs recommended to you.")
class GigRecommendations(RecommendationPage):
    edges: list[GigRecommendationEdge] = strawberry.field(
        description="The items with their cursors, best first."
    )
    nodes: list[GigRecommendation] = strawberry.field(description="The items, best first.")


@strawberry.type(description="A page of freelancers recommended for a gig.")
class FreelancerRecommendations(RecommendationPage):
    edges: list[FreelancerRecommendationEdge] = strawberry.field(
        description="The items with their cursors, best first."
    )
    nodes: list[FreelancerRecommendation] = strawberry.field(description="The items, best first.")


@strawberry.type(description="A skill that two gigs ask for.")
class SharedSkill:
    skill: Skill | None = reference("skill_id", "The skill; null if it has left the taxonomy.")
    skill_id: strawberry.Private[UUID | None]


@strawberry.type(description="An open gig that is like another one.")
class SimilarGig:
    gig: Gig | None = reference("gig_id", "The gig; null if it was taken away in this very moment.")
    score: int = strawberry.field(description="How alike they are, 0 to 100; the sum of `parts`, exactly.")
    parts: list[ScorePart] = strawberry.field(
        description="What the score is made of, what weighs most first."
    )
    matched: list[MatchedSkill] = strawberry.field(
        description="Skills of the one gig that the other asks for or names, and where; in the order of the one."
    )
    basis: RecommendationBasis = strawberry.field(description="What the score stands on.")
    model_version: str = strawberry.field(description="The version of what scored.")
    placed_by: PlacedBy = strawberry.field(description="Why it stands there.")
    shared: list[SharedSkill] = strawberry.field(description="Skills that both ask for, by name.")
    gig_id: strawberry.Private[UUID]


_OF_SIMILAR = frozenset({"score", "parts", "matched", "basis", "model_version"})


# -- fields --------------------------------------------------------------------------------------------------------------


def part_of(op: Operation, arguments: Mapping[str, Any]) -> Part:
    """Raises `Invalid`."""
    page = Page.of(arguments)
    if page.cursor is None:
        return Part(page.limit, page.backwards)
    message = op.services.signer.open("recommendations", page.cursor)
    if message is None:
        path = ("before",) if page.backwards else ("after",)
        text = "This is not a cursor of ours. Take `endCursor` or `startCursor` of a page."
        raise Invalid(path, "CURSOR", text)
    list_id, position = orjson.loads(message)
    return Part(page.limit, page.backwards, UUID(hex=list_id), position)


def _size_of(first: int) -> int:
    if not 1 <= first <= MAX_PAGE:
        message = f"`first` is {first}; it must be between 1 and {MAX_PAGE}."
        raise Invalid(("first",), "RANGE", message, min="1", max=str(MAX_PAGE))
    return first


def cursor_of(op: Operation, list_id: UUID, position: int) -> str:
    return op.services.signer.sign("recommendations", orjson.dumps([list_id.hex, position]))


async def _recommended_gigs(context: Context, **arguments: Any) -> GigRecommendations:
    op, part = context.op, part_of(context.op, arguments)
    page = await recommendations.recommended_gigs(op, part)
    names = recommendations.names_of(op)
    nodes = [
        GigRecommendation(
            gig_id=item.subject_id,
            position=item.position,
            placed_by=PlacedBy(item.placed_by),
            **fitting(item, names),
        )
        for item in page.items
    ]
    edges = [GigRecommendationEdge(cursor=_cursor(op, page, node.position), node=node) for node in nodes]
    return GigRecommendations(edges=edges, nodes=nodes, **_facts(op, page, part))


async def recommended_freelancers(
    op: Operation, keys: Sequence[UUID], **arguments: Any
) -> dict[UUID, FreelancerRecommendations]:
    part = part_of(op, arguments)
    pages = await recommendations.recommended_freelancers(op, keys, part)
    return {key: _freelancers(op, page, part) for key, page in pages.items()}


async def fits(op: Operation, keys: Sequence[UUID]) -> dict[UUID, GigFit]:
    names = recommendations.names_of(op)
    found = await recommendations.fits(op, keys)
    return {key: GigFit(**fitting(item, names)) for key, item in found.items()}


async def similar(op: Operation, keys: Sequence[UUID], first: int) -> dict[UUID, list[SimilarGig]]:
    names = recommendations.names_of(op)
    found = await recommendations.similar_gigs(op, keys, first=_size_of(first))
    return {
        key: [
            SimilarGig(
                gig_id=one.gig_id,
                placed_by=PlacedBy(one.placed_by),
                **{name: value for name, value in fitting(one, names).items() if name in _OF_SIMILAR},
                shared=[SharedSkill(skill_id=names.get(skill)) for skill in one.shared],
            )
            for one in alike
        ]
        for key, alike in found.items()
    }


def _freelancers(op: Operation, page: Recommended, part: Part) -> FreelancerRecommendations:
    names = recommendations.names_of(op)
    nodes = [
        FreelancerRecommendation(
            freelancer_id=item.subject_id,
            position=item.position,
            placed_by=PlacedBy(item.placed_by),
            **fitting(item, names),
        )
        for item in page.items
    ]
    edges = [
        FreelancerRecommendationEdge(cursor=_cursor(op, page, node.position), node=node) for node in nodes
    ]
    return FreelancerRecommendations(edges=edges, nodes=nodes, **_facts(op, page, part))


def fitting(item: Item | Similar, names: Mapping[str, UUID]) -> dict[str, Any]:
    """The fields of `Fitting`."""
    answer, required = item.answer, set(item.gig.document.skills)
    return {
        "score": answer.points,
        "parts": [
            ScorePart(name=ScorePartName(name), points=points)
            for name, points in sorted(answer.parts, key=lambda part: (-abs(part[1]), part[0]))
        ],
        "matched": [
            MatchedSkill(
                skill_id=names.get(skill),
                is_required=skill in required,
                evidence=[
                    SkillEvidence(
                        source=EvidenceSource(proof.source),
                        span=None
                        if proof.start is None or proof.end is None
                        else TextSpan(start=proof.start, end=proof.end),
                        at=None if proof.at is None else datetime.fromtimestamp(proof.at * DAY_S, UTC),
                        gig_id=None if proof.gig is None else UUID(proof.gig),
                    )
                    for proof in proofs
                ],
            )
            for skill, proofs in answer.matched
        ],
        "missing": [
            MissingSkill(skill_id=names.get(skill), is_required=is_required)
            for skills, is_required in ((answer.missing, True), (answer.missing_nice, False))
            for skill in skills
        ],
        "adjacent": [
            AdjacentSkill(
                skill_id=names.get(near.skill), missing_id=names.get(near.missing), likeness=near.likeness
            )
            for near in answer.adjacent
        ],
        "gains": [SkillGain(skill_id=names.get(skill), score=points) for skill, points in answer.wishes],
        "basis": RecommendationBasis(answer.basis),
        "model_version": answer.version,
    }


def _cursor(op: Operation, page: Recommended, position: int) -> str:
    assert page.list_id is not None
    return cursor_of(op, page.list_id, position)


def _facts(op: Operation, page: Recommended, part: Part) -> dict[str, Any]:
    """The fields of `RecommendationPage`."""
    positions = [item.position for item in page.items]
    return {
        "state": page.state,
        "progress": page.progress,
        "basis": None if page.basis is None else RecommendationBasis(page.basis),
        "model_version": page.version,
        "total_count": page.total,
        "page_info": PageInfo(
            has_next_page=part.list_id is not None if part.is_backwards else page.more,
            has_previous_page=page.more if part.is_backwards else part.list_id is not None,
            start_cursor=_cursor(op, page, positions[0]) if positions else None,
            end_cursor=_cursor(op, page, positions[-1]) if positions else None,
        ),
    }


def _recommended_gigs_field() -> Any:
    field = declare(
        Answered(_recommended_gigs),
        "Gigs for you as a freelancer, best first: open ones that you may see, that pay what you ask and begin when you are free. "
        "Without those you posted, applied for or dismissed, and those of clients you hid.",
        metadata=priced(surcharge=WORK_OF_A_LIST),
    )
    field.arguments = paging_arguments(None, None)
    return field


def recommended_freelancers_field() -> Any:
    return source(
        recommended_freelancers,
        "Freelancers for it, best first: who may be seen, asks no more than it pays and is free in time, without those who applied, "
        "were invited or dismissed. Null unless the gig is yours or you are an administrator.",
        arguments=paging_arguments(None, None),
        metadata=priced(surcharge=WORK_OF_A_LIST),
    )


def similar_field() -> Any:
    return source(
        similar,
        "Other open gigs like it that you may see, the most alike first; empty while there is no index.",
        default=list,
        arguments=[argument("first", int, "How many at most: 1 to 100.", default=DEFAULT_FIRST)],
        metadata=priced(surcharge=WORK_OF_A_LIST),
    )


def fit_field() -> Any:
    return source(
        fits,
        "How well you fit it, before you apply: as its client's list would say of you. Null for who is no freelancer, for your own "
        "gig, and while there is no index.",
        metadata=priced(surcharge=WORK_OF_A_FIT),
    )


@strawberry.type
class RecommendationQuery:
    recommended_gigs: GigRecommendations = _recommended_gigs_field()
