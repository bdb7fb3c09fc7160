"""What people show of themselves."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from models.errors import NotAllowed, Refusals, StaleVersion
from models.idempotency import Outcome
from models.ids import new_id
from models.profile import SkillLevel
from models.store.sql import Position, Receipt
from resolvers.people import names_of
from resolvers.profiles import (
    Expertise,
    Rate,
    edit_client,
    edit_freelancer,
    missing_parts_of,
    set_expertise,
)
from resolvers.skills import suggest_skills
from tests.world import World, kinds, race


async def column(world: World, table: str, name: str, user_id: UUID | None) -> Any:
    return (await world.rows(f"select {name} from {table} where user_id = :id", id=user_id))[0][0]


async def test_two_edits_of_one_version_leave_one_stale_with_the_current_version(world: World) -> None:
    person = await world.freelancer()

    outcomes = await race(
        edit_freelancer(world.as_(person), {"headline": headline}, expected_version=1)
        for headline in ("One", "Two")
    )

    assert kinds(outcomes) == {Receipt.__name__: 1, StaleVersion.__name__: 1}
    stale = next(outcome for outcome in outcomes if isinstance(outcome, StaleVersion))
    assert (stale.current_version, stale.entity_id) == (2, person.user_id)
    receipt = next(outcome for outcome in outcomes if isinstance(outcome, Receipt))
    assert receipt.position == Position(f"user:{person.user_id}", 1)


async def test_an_edit_changes_what_it_names_and_a_repeat_answers_noop(world: World) -> None:
    person = await world.freelancer()
    changes = {"rate": Rate(Decimal("85.50"), "EUR"), "languages": ["de", "en"], "hours_per_week": 30}
    await edit_freelancer(world.as_(person), {"headline": "Builder"}, expected_version=None)

    applied = await edit_freelancer(world.as_(person), changes, expected_version=2)
    before = await world.footprint()
    repeat = await edit_freelancer(world.as_(person), changes, expected_version=3)

    assert (applied.outcome, repeat.outcome, repeat.position) == (Outcome.APPLIED, Outcome.NOOP, None)
    assert await world.footprint() == before
    row = await world.rows(
        "select headline, rate_minor, rate_currency, languages, version from freelancer_profile where user_id = :id",
        id=person.user_id,
    )
    assert tuple(row[0]) == ("Builder", 8_550, "EUR", ["de", "en"], 3)


async def test_every_broken_rule_is_named_and_nothing_is_written(world: World) -> None:
    person = await world.freelancer()
    changes = {
        "headline": "x" * 121,
        "hours_per_week": 81,
        "time_zone": "Mars/Base",
        "country": "XX",
        "languages": ["de", "de"],
        "rate": Rate(Decimal(-1), "EUR"),
    }
    before = await world.footprint()

    with pytest.raises(Refusals) as refused:
        await edit_freelancer(world.as_(person), changes, expected_version=None)

    assert {refusal.path[0] for refusal in refused.value.refusals} == {
        "headline",
        "hoursPerWeek",
        "timeZone",
        "country",
        "languages",
        "rate",
    }
    assert await world.footprint() == before


async def test_a_profile_is_edited_by_those_who_have_one(world: World) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    before = await world.footprint()

    outcomes = await race(
        [
            edit_freelancer(world.as_(client), {"headline": "x"}, expected_version=None),
            set_expertise(world.as_(client), [], expected_version=None),
            edit_client(world.as_(freelancer), {"company": "x"}, expected_version=None),
        ]
    )

    assert kinds(outcomes) == {NotAllowed.__name__: 3}
    assert await world.footprint() == before
    await edit_client(world.as_(client), {"company": "Ärger & Söhne"}, expected_version=1)
    assert await column(world, "client_profile", "company", client.user_id) == "Ärger & Söhne"


async def test_expertise_is_replaced_as_a_whole(world: World) -> None:
    person = await world.freelancer()
    python, java = await world.skill(), await world.skill("java")
    await set_expertise(world.as_(person), [Expertise(python, SkillLevel.EXPERT, 9)], expected_version=1)

    await set_expertise(
        world.as_(person),
        [Expertise(java, SkillLevel.BEGINNER, 1), Expertise(python, SkillLevel.EXPERT, 10)],
        expected_version=2,
    )
    before = await world.footprint()
    refused = await race(
        set_expertise(world.as_(person), skills, expected_version=expected)
        for skills, expected in (
            ([Expertise(java, SkillLevel.EXPERT, 2)] * 2, None),
            ([Expertise(new_id(), SkillLevel.EXPERT, 2)], None),
            ([Expertise(java, SkillLevel.EXPERT, 61)], None),
            ([], 2),
        )
    )

    assert kinds(refused) == {Refusals.__name__: 3, StaleVersion.__name__: 1}
    assert await world.footprint() == before
    rows = await world.rows(
        "select skill_id, years from freelancer_skill where freelancer_id = :id order by position",
        id=person.user_id,
    )
    assert [(UUID(str(row.skill_id)), row.years) for row in rows] == [(java, 1), (python, 10)]


async def test_what_is_missing_is_told_to_oneself_alone(world: World) -> None:
    person, other = await world.freelancer(), await world.freelancer()
    assert person.user_id is not None and other.user_id is not None
    await edit_freelancer(world.as_(person), {"headline": "Builder", "country": "DE"}, expected_version=None)

    missing = await missing_parts_of(world.as_(person), [person.user_id, other.user_id])

    assert missing == {
        person.user_id: ["SKILLS", "OVERVIEW", "RATE", "AVAILABILITY", "LANGUAGES", "TIME_ZONE"]
    }
    names = await names_of(world.as_(person), [person.user_id, new_id()])
    assert names == {person.user_id: "Farid"}


async def test_skills_are_suggested_by_name_by_prefix_and_by_resemblance(world: World) -> None:
    python = await world.skill()
    op = world.as_(await world.freelancer())

    async def suggested(prefix: str) -> list[UUID]:
        return await suggest_skills(op, prefix, limit=10)

    assert (await suggested("  PYTHON "))[0] == python
    assert python in await suggested("pyt")
    assert python in await suggested("pythn")
    assert await suggested(" ") == []
    assert await suggested("100%_\\") == []
