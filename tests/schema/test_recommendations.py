"""Recommendations through the schema, over an index that is kept as the product keeps it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import col

from auth.viewer import ANONYMOUS
from models.gig import BudgetKind, Gig, GigVisibility
from models.ids import encode_id
from models.profile import SkillLevel, Visibility
from models.recommendation import DismissReason
from models.store.sql import counting_statements
from resolvers import applications, erasure, gigs, invitations, profiles, recommendation_feedback, rooms
from resolvers.administration import restore_account, suspend_account
from resolvers.market_documents import read_gigs
from resolvers.profiles import Rate
from resolvers.recommender import Recommender
from resolvers.retention import RECOMMENDATION_KEPT, delete_outdated
from schema.execution import Executable
from tests.emptying import EmptyDatabases
from tests.markets import FIT, Market, kept_index, until
from tests.world import PASSWORD, Clock, World, make_test_services, race


@pytest.fixture(scope="module")
async def market(empty_databases: EmptyDatabases, schema: Executable) -> AsyncIterator[Market]:
    """One index for all tests of this module: starting its process takes seconds. By words alone, so that scores are plain."""
    async with empty_databases.lent() as url:
        clock = Clock()
        services = await make_test_services(url, clock)
        services = replace(services, recommender=Recommender(embeds=False))
        async with kept_index(services):
            yield Market(World(services, clock, schema))
        await services.db.close()


def by_name(parts: list[dict[str, Any]]) -> dict[str, int]:
    return {part["name"]: part["points"] for part in parts}


def names(skills: list[dict[str, Any]]) -> list[str]:
    return [each["skill"]["name"] for each in skills]


# -- a list, and why -----------------------------------------------------------------------------------------------------


async def test_a_recommendation_says_exactly_what_its_score_is_made_of(market: Market) -> None:
    client = await market.world.client()
    gig_id = await market.gig(
        client, "kotlin", "swift", nice=("firebase",), title="Zebra counter", description="Counting."
    )
    freelancer = await market.freelancer("kotlin", "firebase", overview="I did Swift once.")
    await market.finds(freelancer, gig_id)

    page = await market.recommended(freelancer)

    (item,) = page["nodes"]
    # Of 70 points that apply, 45 are for needed skills (one of two), 5 for the nice one, 20 for words (none in common).
    assert by_name(item["parts"]) == {"SKILLS": 32, "NICE_SKILLS": 7, "WORDS": 0}
    assert item["score"] == sum(part["points"] for part in item["parts"]) == 39
    assert [(m["skill"]["name"], m["isRequired"]) for m in item["matched"]] == [
        ("Kotlin", True),
        ("Swift", True),
        ("Firebase", False),
    ]
    text, swift = "I did Swift once.", item["matched"][1]["evidence"]
    assert swift == [
        {"source": "TEXT", "span": {"start": text.index("Swift"), "end": text.index(" once")}, "gig": None}
    ]
    assert item["missing"] == [] and item["gains"] == []
    assert (page["state"], page["totalCount"], page["basis"]) == ("READY", 1, "LEXICAL")
    assert (item["position"], item["placedBy"], item["basis"]) == (1, "SCORE", "LEXICAL")


async def test_what_a_skill_would_gain_is_what_it_does_gain(market: Market) -> None:
    client = await market.world.client()
    gig_id = await market.gig(client, "scala", "haskell", title="Prover", description="Prove it.")
    freelancer = await market.freelancer("scala")
    await market.finds(freelancer, gig_id)
    (before,) = (await market.recommended(freelancer))["nodes"]
    fit = "query ($id: ID!) { gig(id: $id) { fit { score gains { score skill { name } } } } }"
    asked = {"id": encode_id("gig", gig_id)}
    before_applying = (await market.world.data(freelancer, fit, **asked))["gig"]["fit"]

    await market.learn(freelancer, "scala", "haskell")

    (after,) = (await market.recommended(freelancer))["nodes"]
    assert names(before["missing"]) == ["Haskell"]
    assert before["gains"] == [{"score": after["score"], "skill": {"name": "Haskell"}}]
    assert before["score"] < after["score"]
    assert before_applying == {"score": before["score"], "gains": before["gains"]}
    assert (await market.world.data(freelancer, fit, **asked))["gig"]["fit"]["score"] == after["score"]


async def test_a_past_gig_is_evidence_for_its_skills(market: Market) -> None:
    client = await market.world.client()
    skills = await market.wanted("erlang")
    done = await market.world.completed(client=client, title="Telephone exchange", skills=skills)
    await market.learn(done.freelancer, "erlang")
    await market.world.services.recommender.remember(market.world.services.db)
    gig_id = await market.gig(client, "erlang", title="Another exchange")
    await market.finds(done.freelancer, gig_id)

    page = await market.recommended(done.freelancer)

    item = next(n for n in page["nodes"] if n["gig"]["id"] == encode_id("gig", gig_id))
    assert item["matched"] == [
        {
            "isRequired": True,
            "skill": {"name": "Erlang"},
            "evidence": [
                {"source": "PROFILE", "span": None, "gig": None},
                {"source": "PAST_GIG", "span": None, "gig": {"title": "Telephone exchange"}},
            ],
        }
    ]


async def test_the_order_of_a_list_stays_while_gigs_are_published(market: Market) -> None:
    client = await market.world.client()
    freelancer = await market.freelancer("rust", "webassembly")
    await market.gig(client, "rust", title="One")
    await market.gig(client, "rust", "webassembly", title="Two")
    last = await market.gig(client, "rust", "perl", "webassembly", title="Three")
    await market.finds(freelancer, last)
    whole = await market.recommended(freelancer, first=30)

    first = await market.recommended(freelancer, first=1)
    better = await market.gig(client, "rust", "webassembly", title="Rust and webassembly, rust")
    await market.finds(freelancer, better)
    second = await market.recommended(freelancer, first=1, after=first["pageInfo"]["endCursor"])
    third = await market.recommended(freelancer, first=1, after=second["pageInfo"]["endCursor"])
    back = await market.recommended(freelancer, last=2, before=third["pageInfo"]["startCursor"])

    assert whole["totalCount"] == 3
    paged = [page["nodes"][0] for page in (first, second, third)]
    assert [node["gig"] for node in paged] == [node["gig"] for node in whole["nodes"]]
    assert [node["position"] for node in paged] == [1, 2, 3]
    assert [node["score"] for node in paged] == [node["score"] for node in whole["nodes"]]
    assert [page["pageInfo"]["hasNextPage"] for page in (first, second, third)] == [True, True, False]
    assert [node["gig"] for node in back["nodes"]] == [node["gig"] for node in paged[:2]]
    assert (await market.recommended(freelancer, first=30))["totalCount"] == 4


async def test_who_has_written_nothing_of_themselves_yet_is_shown_what_came_last(market: Market) -> None:
    client = await market.world.client()
    freelancer = await market.world.freelancer()
    last = await market.gig(client, "scheme", title="Last")

    page = await market.recommended(freelancer, first=30)

    titles = [node["gig"]["title"] for node in page["nodes"]]
    assert "Last" in titles and len(titles) == page["totalCount"] <= 20
    assert [node["score"] for node in page["nodes"]] == sorted(
        (n["score"] for n in page["nodes"]), reverse=True
    )
    assert all(node["score"] == sum(by_name(node["parts"]).values()) for node in page["nodes"])
    assert page["nodes"][titles.index("Last")]["gig"]["id"] == encode_id("gig", last)


async def test_a_cursor_is_good_for_its_own_list_alone(market: Market) -> None:
    client = await market.world.client()
    gig_id = await market.gig(client, "fortran")
    freelancer, other = await market.freelancer("fortran"), await market.freelancer("fortran", name="Other")
    await market.finds(freelancer, gig_id)
    cursor = (await market.recommended(freelancer, first=1))["pageInfo"]["endCursor"]
    document = "query ($after: String) { recommendedGigs(after: $after) { totalCount } }"

    of_other = await market.world.graphql(other, document, after=cursor)
    forged = await market.world.graphql(freelancer, document, after="made up")
    own = await market.world.graphql(freelancer, document, after=cursor)

    assert [error["extensions"]["code"] for error in of_other["errors"]] == ["BAD_USER_INPUT"]
    assert [error["extensions"]["code"] for error in forged["errors"]] == ["BAD_USER_INPUT"]
    assert own["data"] == {"recommendedGigs": {"totalCount": 1}}


# -- what is not shown ---------------------------------------------------------------------------------------------------


async def test_what_leaves_the_market_is_not_shown_from_that_moment_on(market: Market) -> None:
    client = await market.world.client()
    freelancer, other = await market.freelancer("cobol"), await market.world.freelancer("Other")
    as_client = market.world.as_(client)
    ids = {
        name: await market.gig(client, "cobol", title=name)
        for name in ("cancelled", "paused", "private", "filled", "stays")
    }
    await market.finds(freelancer, ids["stays"])
    first = await market.recommended(freelancer, first=1)
    application = await market.world.application(other, ids["filled"])

    await gigs.cancel_gig(as_client, ids["cancelled"], note=None)
    await gigs.pause_gig(as_client, ids["paused"])
    await gigs.edit_gig(
        as_client, ids["private"], {"visibility": GigVisibility.INVITE_ONLY}, expected_version=None
    )
    await applications.accept_application(as_client, application)

    # At once, whatever the index knows by now; from the list that was made before, too.
    page = await market.recommended(freelancer, first=30)
    rest = await market.recommended(freelancer, first=30, after=first["pageInfo"]["endCursor"])
    assert [node["gig"]["title"] for node in page["nodes"]] == ["stays"]
    assert {node["gig"]["title"] for node in rest["nodes"]} <= {"stays"}


async def test_drafts_and_gigs_for_the_invited_are_never_recommended(market: Market) -> None:
    client = await market.world.client()
    freelancer = await market.freelancer("prolog")
    await market.gig(client, "prolog", title="draft", published=False)
    secret = await market.gig(client, "prolog", title="secret", visibility=GigVisibility.INVITE_ONLY)
    assert freelancer.user_id is not None
    await invitations.invite_freelancer(
        market.world.as_(client), secret, freelancer_id=freelancer.user_id, message=None
    )
    shown = await market.gig(client, "prolog", title="public")
    await market.finds(freelancer, shown)

    page = await market.recommended(freelancer, first=30)

    assert [node["gig"]["title"] for node in page["nodes"]] == ["public"]


async def test_hard_filters_hold_before_any_score(market: Market) -> None:
    client = await market.world.client()
    hourly: dict[str, Any] = {"budget_kind": BudgetKind.HOURLY, "budget_min": Decimal(20)}
    freelancer = await market.freelancer("ada", rate=Rate(Decimal(60), "EUR"))
    own = await market.freelancer("ada", name="Own")
    await market.gig(client, "ada", title="too cheap", budget_max=Decimal(59), **hourly)
    await market.gig(client, "ada", title="enough", budget_max=Decimal(60), **hourly)
    await market.gig(client, "ada", title="in dollars", budget_max=Decimal(59), currency="USD", **hourly)
    await market.gig(client, "ada", title="in Finnish", languages=("fi", "sv"))
    await market.gig(client, "ada", title="in English or Finnish", languages=("fi", "en"))
    applied = await market.gig(client, "ada", title="applied")
    soon = await market.gig(client, "ada", title="soon", deadline=market.world.clock() + timedelta(days=1))
    await market.finds(own, soon)
    await market.world.application(freelancer, applied)
    free_from = (market.world.clock() + timedelta(days=2)).date()
    changes = {"available_from": free_from, "rate": Rate(Decimal(60), "EUR"), "languages": ["de", "en"]}
    await profiles.edit_freelancer(market.world.as_(freelancer), changes, expected_version=None)

    page = await market.recommended(freelancer, first=30)

    assert {node["gig"]["title"] for node in page["nodes"]} == {
        "enough",
        "in dollars",
        "in English or Finnish",
    }


async def test_hard_filters_hold_for_freelancers_of_a_gig(market: Market) -> None:
    client = await market.world.client()
    hourly: dict[str, Any] = {"budget_kind": BudgetKind.HOURLY, "budget_min": Decimal(20)}
    gig_id = await market.gig(client, "abap", languages=("fr", "nl"), budget_max=Decimal(50), **hourly)
    late = (market.world.clock() + timedelta(days=300)).date()
    profile: dict[str, dict[str, Any]] = {
        "fits": {"rate": Rate(Decimal(50), "EUR"), "languages": ["en", "nl"]},
        "names no language": {},
        "in dollars": {"rate": Rate(Decimal(51), "USD")},
        "too dear": {"rate": Rate(Decimal(51), "EUR")},
        "speaks neither": {"languages": ["en"]},
        "free too late": {"available_from": late},
        "private": {"visibility": Visibility.PRIVATE},
        "applied": {}, "invited": {}, "dismissed": {},
    }  # fmt: skip
    people = {name: await market.freelancer("abap", name=name, **of) for name, of in profile.items()}
    invited, dismissed = people["invited"].user_id, people["dismissed"].user_id
    assert invited is not None and dismissed is not None
    await market.world.application(people["applied"], gig_id)
    op = market.world.as_(client)
    await invitations.invite_freelancer(op, gig_id, freelancer_id=invited, message=None)
    await recommendation_feedback.dismiss(op, gig_id, freelancer_id=dismissed, reason=DismissReason.OTHER)

    async def listed() -> set[str]:
        return {
            node["freelancer"]["name"]
            for node in (await market.candidates(client, gig_id, first=50))["nodes"]
        }

    async def has_all() -> bool:
        return len(await listed()) >= 3

    await until(has_all)
    assert await listed() == {"fits", "names no language", "in dollars"}


async def test_hours_in_common_are_needed_in_both_directions_as_clocks_stand_today(market: Market) -> None:
    client = await market.world.client()
    berlin: dict[str, Any] = {"time_zone": "Europe/Berlin", "overlap_hours": 4}
    asked = await market.gig(client, "zig", title="four hours", **berlin)
    await market.gig(client, "zig", title="three", time_zone="Europe/Berlin", overlap_hours=3)
    await market.gig(client, "zig", title="four of Tokyo", time_zone="Asia/Tokyo", overlap_hours=4)
    last = await market.gig(client, "zig", title="at any time")
    zones = {
        "Here": "Europe/Paris", "Dubai": "Asia/Dubai", "Delhi": "Asia/Kolkata", "Tokyo": "Asia/Tokyo", "York": "America/New_York", "Untold": None,
    }  # fmt: skip
    people = {name: await market.freelancer("zig", name=name, time_zone=zone) for name, zone in zones.items()}

    async def listed() -> set[str]:
        nodes = (await market.candidates(client, asked, first=50))["nodes"]
        return {node["freelancer"]["name"] for node in nodes}

    async def titles(name: str) -> set[str]:
        return {node["gig"]["title"] for node in (await market.recommended(people[name], first=30))["nodes"]}

    async def has_all() -> bool:
        return await listed() >= {"Here", "Dubai", "Untold"}

    await market.finds(people["Untold"], last)
    await until(has_all)
    # It is November: Delhi is 4.5 hours ahead of Berlin, in summer 3.5.
    assert await listed() == {"Here", "Dubai", "Untold"}
    found = {name: await titles(name) for name in zones}
    anywhere = {"at any time"}
    assert found == {
        "Here": anywhere | {"four hours", "three"},
        "Dubai": anywhere | {"four hours", "three"},
        "Delhi": anywhere | {"three", "four of Tokyo"},
        "Tokyo": anywhere | {"four of Tokyo"},
        "York": anywhere,
        "Untold": anywhere | {"four hours", "three", "four of Tokyo"},
    }

    # At once, whatever the index knows by now.
    for name, zone in (("Here", "Asia/Tokyo"), ("Untold", "America/New_York")):
        op = market.world.as_(people[name])
        await profiles.edit_freelancer(op, {"time_zone": zone}, expected_version=None)
    assert await listed() == {"Dubai"}
    assert await titles("Untold") <= anywhere


async def test_a_gig_that_asks_for_other_hours_is_found_by_others(market: Market) -> None:
    client = await market.world.client()
    gig_id = await market.gig(client, "tcl", time_zone="Europe/Berlin", overlap_hours=6)
    near = await market.freelancer("tcl", name="Near", time_zone="Europe/Lisbon")
    far = await market.freelancer("tcl", name="Far", time_zone="Asia/Tokyo")
    op = market.world.as_(client)

    async def names_of() -> set[str]:
        nodes = (await market.candidates(client, gig_id, first=50))["nodes"]
        return {node["freelancer"]["name"] for node in nodes}

    async def is_only(name: str) -> bool:
        return await names_of() == {name}

    await market.finds(near, gig_id)
    await until(lambda: is_only("Near"))

    changes = {"time_zone": "Asia/Seoul", "overlap_hours": 8}
    await gigs.edit_gig(op, gig_id, changes, expected_version=None)
    assert not await market.shows(near, gig_id)
    await market.finds(far, gig_id)
    assert await names_of() == {"Far"}

    changes = {"time_zone": None, "overlap_hours": None}
    await gigs.edit_gig(op, gig_id, changes, expected_version=None)
    await market.finds(near, gig_id)
    assert await names_of() == {"Near", "Far"}


async def test_what_is_dismissed_or_hidden_stays_away_until_it_is_taken_back(market: Market) -> None:
    client, disliked = await market.world.client(), await market.world.client("Disliked")
    freelancer = await market.freelancer("smalltalk")
    one = await market.gig(client, "smalltalk", title="one")
    two = await market.gig(disliked, "smalltalk", title="two")
    await market.finds(freelancer, two)
    op = market.world.as_(freelancer)

    async def titles() -> set[str]:
        return {node["gig"]["title"] for node in (await market.recommended(freelancer, first=9))["nodes"]}

    assert await titles() == {"one", "two"}
    first = await recommendation_feedback.dismiss(op, one, freelancer_id=None, reason=DismissReason.PRICE)
    again = await recommendation_feedback.dismiss(op, one, freelancer_id=None, reason=DismissReason.PRICE)
    other = await recommendation_feedback.dismiss(op, one, freelancer_id=None, reason=DismissReason.TIME)
    assert await titles() == {"two"}
    await recommendation_feedback.hide_client(op, two)
    assert await titles() == set()
    await recommendation_feedback.restore(op, one, freelancer_id=None)
    await recommendation_feedback.unhide_client(op, two)
    assert await titles() == {"one", "two"}
    assert [r.outcome.value for r in (first, again, other)] == ["APPLIED", "NOOP", "APPLIED"]


@pytest.mark.parametrize("blocks", ["the client", "the freelancer"])
async def test_of_two_who_blocked_each_other_neither_is_recommended_to_the_other(
    market: Market, blocks: str
) -> None:
    skill = {"the client": "racket", "the freelancer": "elm"}[blocks]
    client, other = await market.world.client(), await market.world.client("Other")
    freelancer, another = await market.freelancer(skill, name="Farid"), await market.freelancer(skill)
    one = await market.gig(client, skill, title=f"{skill} of theirs")
    first = await market.gig(other, skill, title=f"another {skill}")
    await market.finds(freelancer, first)
    await market.finds(freelancer, one)
    who, whom = (client, freelancer) if blocks == "the client" else (freelancer, client)
    assert whom.user_id is not None and freelancer.user_id is not None and another.user_id is not None

    async def seen() -> tuple[set[str], set[str], set[str]]:
        """Gigs for the freelancer; freelancers for the client's gig; gigs that are like the other one."""
        similar = "query ($id: ID!) { gig(id: $id) { similar { gig { title } } } }"
        found = await market.world.data(freelancer, similar, id=encode_id("gig", first))
        return (
            {node["gig"]["title"] for node in (await market.recommended(freelancer, first=9))["nodes"]},
            {node["freelancer"]["id"] for node in (await market.candidates(client, one))["nodes"]},
            {each["gig"]["title"] for each in found["gig"]["similar"]} & titles,
        )

    titles = {f"{skill} of theirs", f"another {skill}"}
    both = {encode_id("freelancer", id) for id in (freelancer.user_id, another.user_id)}

    async def is_known() -> bool:
        return (await seen())[1] == both

    await until(is_known)
    before = await seen()
    gigs_before = await market.recommended(freelancer, first=1)
    people_before = await market.candidates(client, one, first=1)
    await rooms.block_person(market.world.as_(who), whom.user_id)
    during = await seen()
    after = gigs_before["pageInfo"]["endCursor"]
    pages = [
        *(await market.recommended(freelancer, after=after))["nodes"],
        *(await market.candidates(client, one, after=people_before["pageInfo"]["endCursor"]))["nodes"],
    ]
    await rooms.unblock_person(market.world.as_(who), whom.user_id)

    assert before == (titles, both, {f"{skill} of theirs"})
    assert during == ({f"another {skill}"}, {encode_id("freelancer", another.user_id)}, set())
    shown = [node.get("gig") or node["freelancer"] for node in pages]
    assert not {encode_id("gig", one), encode_id("freelancer", freelancer.user_id)} & {s["id"] for s in shown}
    assert await seen() == before


async def test_publishing_and_cancelling_at_once_never_leaves_a_cancelled_gig_in_a_list(
    market: Market,
) -> None:
    client = await market.world.client()
    freelancer = await market.freelancer("clojure")
    ids = [await market.gig(client, "clojure", title=str(number)) for number in range(4)]
    drafts = [await market.gig(client, "clojure", title=f"new {n}", published=False) for n in range(4)]
    await market.finds(freelancer, ids[-1])
    as_client = market.world.as_(client)

    await race(
        [
            *(gigs.cancel_gig(as_client, gig_id, note=None) for gig_id in ids),
            *(gigs.publish_gig(as_client, gig_id) for gig_id in drafts),
            *(market.recommended(freelancer, first=30) for _ in range(8)),
        ]
    )

    page = await market.recommended(freelancer, first=30)
    assert {node["gig"]["title"] for node in page["nodes"]} <= {f"new {n}" for n in range(4)}
    for gig_id in drafts:
        await market.finds(freelancer, gig_id)
    assert (await market.recommended(freelancer, first=30))["totalCount"] == 4


async def test_a_list_is_for_freelancers_and_says_so_to_others(market: Market) -> None:
    client = await market.world.client()

    states = [(await market.recommended(viewer))["state"] for viewer in (ANONYMOUS, client)]

    assert states == ["NOT_FOR_YOU", "NOT_FOR_YOU"]


async def test_a_list_takes_three_statements(market: Market) -> None:
    client = await market.world.client()
    freelancer = await market.freelancer("dart")
    gig_id = await market.gig(client, "dart")
    await market.finds(freelancer, gig_id)
    document = "{ recommendedGigs(first: 5) { nodes { score gig { title } } } }"
    await market.world.data(freelancer, document)

    with counting_statements() as statements:
        await market.world.data(freelancer, document)

    # Who looks and what they do not want; which proposals stand; what is shown of the gigs.
    assert dict(statements) == {"select": 3}


# -- freelancers for a gig -----------------------------------------------------------------------------------------------


async def test_the_client_sees_who_fits_and_nobody_else_does(market: Market) -> None:
    client, admin = await market.world.client(), await market.world.admin()
    best = await market.freelancer("elixir", "phoenix", name="Best")
    half = await market.freelancer("elixir", name="Half")
    await market.freelancer("elixir", name="Private", visibility=Visibility.PRIVATE)
    gig_id = await market.gig(client, "elixir", "phoenix")

    async def has_all() -> bool:
        return bool((await market.candidates(client, gig_id))["totalCount"] == 2)

    await until(has_all)
    page = await market.candidates(client, gig_id)

    assert [(n["freelancer"]["name"], n["position"], n["placedBy"]) for n in page["nodes"]] == [
        ("Best", 1, "SCORE"),
        ("Half", 2, "SCORE"),
    ]
    assert [n["score"] for n in page["nodes"]] == [sum(by_name(n["parts"]).values()) for n in page["nodes"]]
    assert names(page["nodes"][1]["missing"]) == ["Phoenix"]
    assert page["nodes"][1]["gains"] == [{"score": page["nodes"][0]["score"], "skill": {"name": "Phoenix"}}]
    assert (await market.candidates(admin, gig_id))["totalCount"] == 2
    assert [await market.candidates(viewer, gig_id) for viewer in (ANONYMOUS, best)] == [None, None]
    # Whoever is in touch already is not found again.
    await market.world.application(best, gig_id)
    assert half.user_id is not None
    await recommendation_feedback.dismiss(
        market.world.as_(client), gig_id, freelancer_id=half.user_id, reason=DismissReason.SKILLS
    )
    assert (await market.candidates(client, gig_id))["nodes"] == []


async def test_pages_of_freelancers_are_of_one_list(market: Market) -> None:
    client = await market.world.client()
    for number in range(3):
        await market.freelancer("ocaml", name=f"Person {number}")
    gig_id = await market.gig(client, "ocaml")

    async def has_all() -> bool:
        return bool((await market.candidates(client, gig_id))["totalCount"] == 3)

    await until(has_all)
    whole = await market.candidates(client, gig_id)
    first = await market.candidates(client, gig_id, first=2)
    await market.freelancer("ocaml", name="Person 3")
    second = await market.candidates(client, gig_id, first=2, after=first["pageInfo"]["endCursor"])

    people = [node["freelancer"]["id"] for node in (*first["nodes"], *second["nodes"])]
    assert people == [node["freelancer"]["id"] for node in whole["nodes"]]
    assert [node["position"] for node in second["nodes"]] == [3]


# -- teams, similar gigs, skills -----------------------------------------------------------------------------------------


TEAMS = """query ($id: ID!, $size: Int! = 3, $budget: MoneyInput, $overlap: Int! = 2) { gig(id: $id) {
    suggestedTeams(size: $size, budget: $budget, overlapHours: $overlap) {
        state isProved gap candidates withoutPrice
        teams { knownPairs rate { amount currency } members { freelancer { name } covers { skill { name } } } }
        obstacles { kind neededSize neededBudget { amount } skill { name } } } } }"""


async def test_a_team_covers_every_skill_or_the_smallest_reason_why_none_does_is_told(market: Market) -> None:
    client = await market.world.client()
    gig_id = await market.gig(client, "unity", "blender", "c++")
    euro = {amount: Rate(Decimal(amount), "EUR") for amount in (40, 50, 90)}
    await market.freelancer("unity", "c++", name="Uma", rate=euro[50], time_zone="Europe/Berlin")
    await market.freelancer("blender", name="Bo", rate=euro[40], time_zone="Europe/Paris")
    await market.freelancer("blender", name="Far", rate=euro[40], time_zone="Pacific/Auckland")
    await market.freelancer("unity", "blender", "c++", name="Free", rate=None)

    async def asked(**wish: Any) -> dict[str, Any]:
        data = await market.world.data(client, TEAMS, id=encode_id("gig", gig_id), **wish)
        return data["gig"]["suggestedTeams"]  # type: ignore[no-any-return]

    async def has_all() -> bool:
        found = await asked()
        return bool((found["candidates"], found["withoutPrice"]) == (3, 1))

    await until(has_all)
    found, poor = await asked(), await asked(budget={"amount": "80", "currency": "EUR"})

    assert (found["isProved"], found["gap"], found["obstacles"]) == (True, 0.0, [])
    assert found["teams"] == [
        {
            "knownPairs": 0,
            "rate": {"amount": "90.00", "currency": "EUR"},
            "members": [
                {
                    "freelancer": {"name": "Uma"},
                    "covers": [{"skill": {"name": "C++"}}, {"skill": {"name": "Unity"}}],
                },
                {"freelancer": {"name": "Bo"}, "covers": [{"skill": {"name": "Blender"}}]},
            ],
        }
    ]
    assert poor["teams"] == []
    assert poor["obstacles"] == [
        {"kind": "BUDGET", "neededSize": None, "neededBudget": {"amount": "90.00"}, "skill": None}
    ]


async def test_members_of_a_team_have_the_hours_of_the_gig(market: Market) -> None:
    client = await market.world.client()
    gig_id = await market.gig(client, "gleam", "mojo", time_zone="Europe/Berlin", overlap_hours=6)
    euro = {amount: Rate(Decimal(amount), "EUR") for amount in (40, 50, 90)}
    await market.freelancer("gleam", name="Gina", rate=euro[50], time_zone="Europe/Paris")
    await market.freelancer("mojo", name="Dear", rate=euro[90], time_zone="Europe/Kyiv")
    await market.freelancer("mojo", name="Far", rate=euro[40], time_zone="Asia/Dubai")

    async def teams() -> list[set[str]]:
        data = await market.world.data(client, TEAMS, id=encode_id("gig", gig_id))
        found = data["gig"]["suggestedTeams"]["teams"]
        return [{member["freelancer"]["name"] for member in team["members"]} for team in found]

    async def is_one() -> bool:
        return len(await teams()) == 1

    await until(is_one)
    assert await teams() == [{"Gina", "Dear"}]


async def test_one_client_does_not_take_all_of_the_first_places(market: Market) -> None:
    busy, client = await market.world.client("Busy"), await market.world.client()
    freelancer = await market.freelancer("sas", "stata")
    for number in range(12):
        await market.gig(busy, "sas", title=f"Busy {number}")
    for number in range(3):
        last = await market.gig(client, "sas", "stata", "abap", title=f"Other {number}")
    await market.finds(freelancer, last)

    page = await market.recommended(freelancer, first=6)
    rest = await market.recommended(freelancer, first=20, after=page["pageInfo"]["endCursor"])

    places = [(node["gig"]["title"].split()[0], node["placedBy"]) for node in page["nodes"]]
    assert places == [("Busy", "SCORE")] * 3 + [("Other", "SCORE")] * 3
    # What a place above its score costs is told with it: the gains, too.
    assert all(names(node["gains"]) == ["ABAP"] for node in page["nodes"][3:])
    assert {node["placedBy"] for node in rest["nodes"]} == {"DIVERSITY"}
    assert [node["position"] for node in rest["nodes"]] == list(range(7, 16))


async def test_two_who_blocked_each_other_are_in_no_team_together(market: Market) -> None:
    client = await market.world.client()
    gig_id = await market.gig(client, "houdini", "nuke")
    euro = Rate(Decimal(40), "EUR")
    one = await market.freelancer("houdini", name="One", rate=euro)
    other = await market.freelancer("nuke", name="Other", rate=euro)
    assert other.user_id is not None

    async def teams() -> list[set[str]]:
        found = (await market.world.data(client, TEAMS, id=encode_id("gig", gig_id)))["gig"]["suggestedTeams"]
        return [{member["freelancer"]["name"] for member in team["members"]} for team in found["teams"]]

    async def is_one() -> bool:
        return await teams() == [{"One", "Other"}]

    await until(is_one)
    await rooms.block_person(market.world.as_(one), other.user_id)

    assert await teams() == []


async def test_similar_gigs_are_open_ones_with_what_they_share(market: Market) -> None:
    client = await market.world.client()
    gig_id = await market.gig(client, "qgis", "postgis", title="Map of trees", published=False)
    near = await market.gig(
        client, "qgis", "postgis", title="Map of bushes", description="Draw them with QGIS."
    )
    gone = await market.gig(client, "qgis", "postgis", title="Map of weeds")
    freelancer = await market.freelancer("qgis")
    await market.finds(freelancer, gone)
    await gigs.cancel_gig(market.world.as_(client), gone, note=None)
    document = """query ($id: ID!) { gig(id: $id) { similar(first: 5) { score parts { name points } basis modelVersion placedBy gig { title }
        shared { skill { name } } matched { isRequired skill { name } evidence { source span { start end } } } } } }"""

    own = await market.world.data(client, document, id=encode_id("gig", gig_id))
    other = await market.world.data(freelancer, document, id=encode_id("gig", near))

    first = own["gig"]["similar"][0]
    parts = by_name(first.pop("parts"))
    assert parts["SKILLS"] == 69 and parts["WORDS"] > 0 and set(parts) == {"SKILLS", "WORDS"}
    assert first.pop("score") == sum(parts.values())
    proofs = [{"source": "GIG", "span": None}, {"source": "TEXT", "span": {"start": 15, "end": 19}}]
    assert first == {
        "gig": {"title": "Map of bushes"},
        "shared": [{"skill": {"name": "PostGIS"}}, {"skill": {"name": "QGIS"}}],
        "matched": [
            {"isRequired": True, "skill": {"name": "QGIS"}, "evidence": proofs},
            {"isRequired": True, "skill": {"name": "PostGIS"}, "evidence": proofs[:1]},
        ],
        "basis": "LEXICAL",
        "modelVersion": "blend-1",
        "placedBy": "SCORE",
    }
    titles = {s["gig"]["title"] for found in (own, other) for s in found["gig"]["similar"]}
    assert not titles & {"Map of trees", "Map of weeds"}


async def test_skills_of_a_text_come_with_the_characters_that_name_them(market: Market) -> None:
    text = "We went from PHP to Go. Postgres knowledge helps."
    document = """query ($text: String!) { skillSuggestions(text: $text, title: "Docker") {
        state basis modelVersion skills { isNamed confidence spans { start end } skill { name } } } }"""

    found = (await market.world.data(ANONYMOUS, document, text=text))["skillSuggestions"]

    named = [
        (s["skill"]["name"], [text[p["start"] : p["end"]] for p in s["spans"]])
        for s in found["skills"]
        if s["isNamed"]
    ]
    assert (found["state"], found["basis"], found["modelVersion"]) == ("READY", "LEXICAL", "blend-1")
    assert named == [("PHP", ["PHP"]), ("Go", ["Go"]), ("PostgreSQL", ["Postgres"]), ("Docker", [])]
    assert all(s["confidence"] == 1.0 for s in found["skills"] if s["isNamed"])


async def test_demand_and_gap_count_open_public_gigs(market: Market) -> None:
    world, client = market.world, await market.world.client()
    freelancer = await market.freelancer("solidity")
    hourly: dict[str, Any] = {"budget_kind": BudgetKind.HOURLY, "budget_min": Decimal(10)}
    first = await market.gig(client, "solidity", "truffle", **hourly, budget_max=Decimal(30))
    await market.gig(client, "solidity", "truffle", "hardhat", **hourly, budget_max=Decimal(50))
    await market.gig(client, "solidity")
    await market.gig(client, "solidity", "truffle", visibility=GigVisibility.INVITE_ONLY)
    await world.application(await world.freelancer(), first)

    gap = (
        await world.data(
            freelancer, "{ viewer { skillGap { lookedAt covered missing { opens asked skill { name } } } } }"
        )
    )["viewer"]["skillGap"]
    skill = encode_id("skill", await world.skill("truffle"))
    document = """query ($id: ID!) { skill(id: $id) { demand { openGigs applicationsPerGig published publishedBefore
        budgets { kind gigs median { amount currency } } } } }"""
    demand = (await world.data(ANONYMOUS, document, id=skill))["skill"]["demand"]

    assert gap == {
        "lookedAt": 3,
        "covered": 1,
        "missing": [
            {"opens": 1, "asked": 2, "skill": {"name": "Truffle"}},
            {"opens": 0, "asked": 1, "skill": {"name": "Hardhat"}},
        ],
    }
    assert demand == {
        "openGigs": 2, "applicationsPerGig": 0.5, "published": 2, "publishedBefore": 0,
        "budgets": [{"kind": "HOURLY", "gigs": 2, "median": {"amount": "30.00", "currency": "EUR"}}],
    }  # fmt: skip


# -- what is kept --------------------------------------------------------------------------------------------------------


async def test_lists_and_what_was_shown_of_them_are_written_and_kept_for_ninety_days(market: Market) -> None:
    world, client = market.world, await market.world.client()
    freelancer = await market.freelancer("julia")
    for number in range(3):
        gig_id = await market.gig(client, "julia", title=str(number))
    await market.finds(freelancer, gig_id)
    log = world.services.recommender.log
    await log.write(world.services.db, at=world.clock())
    await market.recommended(freelancer, first=2)
    await log.write(world.services.db, at=world.clock())
    of_person = "select id, kind, model_version, basis, points, placed_by from recommendation_list where user_id = :id order by id desc limit 1"
    (kept,) = await world.rows(of_person, id=freelancer.user_id)
    shown = await world.rows(
        "select position, points from recommendation_shown where list_id = :id order by position", id=kept.id
    )

    assert (kept.kind, kept.model_version, kept.basis, len(kept.points)) == ("GIGS", "blend-1", "LEXICAL", 3)
    assert [tuple(row) for row in shown] == [(1, kept.points[0]), (2, kept.points[1])]
    assert log.dropped == 0
    at_the_end = replace(world.services, clock=lambda: world.clock() + RECOMMENDATION_KEPT)
    await delete_outdated(World(at_the_end, world.clock, world.schema).as_(ANONYMOUS))
    assert (
        await world.rows("select 1 from recommendation_list union all select 1 from recommendation_shown")
        == []
    )


async def test_a_page_of_a_list_that_is_not_kept_is_refused(market: Market) -> None:
    world, client = market.world, await market.world.client()
    freelancer = await market.freelancer("vhdl")
    gig_id = await market.gig(client, "vhdl")
    await market.finds(freelancer, gig_id)
    cursor = (await market.recommended(freelancer, first=1))["pageInfo"]["startCursor"]
    lists = world.services.recommender.log._lists
    lists.clear()
    world.services.recommender.log._unwritten.clear()

    async with asyncio.timeout(10):
        body = await world.graphql(
            freelancer, "query ($b: String) { recommendedGigs(last: 1, before: $b) { totalCount } }", b=cursor
        )

    assert [(e["extensions"]["code"], e["path"]) for e in body["errors"]] == [
        ("BAD_USER_INPUT", ["recommendedGigs"])
    ]


async def test_levels_below_the_asked_one_do_not_cover_a_skill(market: Market) -> None:
    client = await market.world.client()
    gig_id = await market.gig(client, "matlab", "simulink")
    euro = Rate(Decimal(40), "EUR")
    await market.freelancer("matlab", name="Knows", rate=euro)
    await market.freelancer("simulink", name="Begins", rate=euro, level=SkillLevel.BEGINNER)

    async def obstacles() -> list[Any]:
        data = await market.world.data(client, TEAMS, id=encode_id("gig", gig_id))
        found = data["gig"]["suggestedTeams"]
        return [found["candidates"], [(o["kind"], o["skill"]["name"]) for o in found["obstacles"]]]

    async def has_all() -> bool:
        return bool((await obstacles())[0] == 2)

    await until(has_all)
    assert await obstacles() == [2, [("SKILL", "Simulink")]]


ASKED = {
    # The gig; its documents; who of the proposed may be shown; what is shown of them.
    "recommendedFreelancers(first: 5) { nodes { score freelancer { name } } }": 4,
    # The gig; the documents of both.
    "fit { score }": 3,
    # The gig; its documents; those of alike ones; what is shown of them.
    "similar(first: 3) { score gig { title } }": 4,
    # The gig; its documents; who may be shown; levels and rates; who worked together.
    "suggestedTeams { teams { members { rate { amount } } } }": 5,
}


@pytest.mark.parametrize("selection", ASKED)
async def test_the_number_of_statements_does_not_grow_with_what_is_found(
    market: Market, selection: str
) -> None:
    client = await market.world.client()
    euro = Rate(Decimal(40), "EUR")
    people = [await market.freelancer("groovy", rate=euro) for _ in range(3)]
    ids = [await market.gig(client, "groovy") for _ in range(3)]
    await market.finds(people[-1], ids[-1])
    viewer = people[0] if selection.startswith("fit") else client
    document = f"query ($id: ID!) {{ gig(id: $id) {{ {selection} }} }}"
    asked = {"id": encode_id("gig", ids[0])}
    await market.world.data(viewer, document, **asked)

    with counting_statements() as statements:
        await market.world.data(viewer, document, **asked)

    assert dict(statements) == {"select": ASKED[selection]}


async def test_both_executors_say_the_same(market: Market) -> None:
    world, client = market.world, await market.world.client()
    freelancer = await market.freelancer("lua", "nim", rate=Rate(Decimal(40), "EUR"))
    gig_id = await market.gig(client, "lua", "nim", nice=("docker",))
    await market.gig(client, "lua")
    await market.finds(freelancer, gig_id)
    document = f"""query ($id: ID!) {{
        recommendedGigs(first: 5) {{ totalCount nodes {{ position gig {{ title skills {{ name }} }} {FIT} }} }}
        gig(id: $id) {{ fit {{ {FIT} }} similar {{ score gig {{ title }} shared {{ skill {{ name }} }} }} }}
        small: gig(id: $id) {{ similar(first: 1) {{ score }} }}
        skillSuggestions(text: "Lua and Nim") {{ skills {{ confidence skill {{ name demand {{ openGigs }} }} }} }}
        viewer {{ skillGap {{ covered missing {{ opens skill {{ name }} }} }} }} }}"""
    of_client = """query ($id: ID!) { gig(id: $id) { recommendedFreelancers(first: 5) { nodes { score freelancer { name } } }
        suggestedTeams(size: 2) { teams { rate { amount } members { freelancer { name } covers { skill { name } } } } } } }"""
    asked = {"id": encode_id("gig", gig_id)}

    planned = [await world.data(freelancer, document, **asked), await world.data(client, of_client, **asked)]
    world.planned = False
    try:
        batched = [
            await world.data(freelancer, document, **asked),
            await world.data(client, of_client, **asked),
        ]
    finally:
        world.planned = True

    assert planned == batched
    assert len(planned[0]["gig"]["similar"]) > len(planned[0]["small"]["similar"]) == 1


async def test_whoever_is_erased_is_forgotten_by_the_index_and_in_no_list(market: Market) -> None:
    client, gone = await market.world.client(), await market.freelancer("haskell", "clojure", name="Gone")
    gig_id = await market.gig(client, "haskell", "clojure")
    services = market.world.services
    (gig,) = await read_gigs(services.db, col(Gig.id) == gig_id, currency="EUR")

    async def listed() -> list[str]:
        page = await market.candidates(client, gig_id)
        return [node["freelancer"]["name"] for node in page["nodes"]]

    async def is_listed() -> bool:
        return "Gone" in await listed()

    async def is_forgotten() -> bool:
        answers = await services.recommender.ask("people_for", gig.document, 100, 1)
        return str(gone.user_id) not in [answer.id for answer in answers]

    await until(is_listed)
    assert not await is_forgotten()
    await erasure.erase_own_account(market.world.as_(gone), password=PASSWORD)

    assert "Gone" not in await listed()
    await until(is_forgotten)


async def test_gigs_of_a_client_who_is_restored_are_recommended_again(market: Market) -> None:
    world = market.world
    admin, client = await world.admin(), await world.client()
    gig_id = await market.gig(client, "cobol", title="Ledger of a bank")
    freelancer = await market.freelancer("cobol")
    await market.finds(freelancer, gig_id)

    await suspend_account(world.as_(admin), client.require_user(), reason="Spam.", until=None)
    during = await market.recommended(freelancer)
    await restore_account(world.as_(admin), client.require_user(), reason=None)

    assert encode_id("gig", gig_id) not in [node["gig"]["id"] for node in during["nodes"]]
    await market.finds(freelancer, gig_id)
