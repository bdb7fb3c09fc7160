"""Notifications as clients see them: the feed, the counts, and what can be done with them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from auth.viewer import ANONYMOUS, Viewer
from models.ids import encode_id, new_id
from models.store.sql import counting_statements
from resolvers import contracts, invitations
from tests.world import Hired, World

FEED = "notifications(first: 100) { totalCount nodes { id kind } }"
COUNTS = "notificationCounts { unseen unread byCategory { category unseen unread } }"


@pytest.fixture(autouse=True, params=["planned", "batches"])
def executor(request: pytest.FixtureRequest, world: World) -> Iterator[None]:
    world.planned = request.param == "planned"
    yield
    world.planned = True


async def busy(world: World) -> Hired:
    """Work that was handed in: the client was told of an application, of progress and of the work."""
    hired = await world.hired()
    world.clock.move(timedelta(seconds=1))
    as_freelancer = world.as_(hired.freelancer)
    await contracts.report_progress(
        as_freelancer, hired.contract_id, percent=50, note="Half.", expected_version=None
    )
    world.clock.move(timedelta(seconds=1))
    await contracts.submit_work(as_freelancer, hired.contract_id, note="It is all there.")
    return hired


async def feed(world: World, viewer: Viewer, arguments: str = "") -> list[str]:
    document = f"{{ notifications{arguments} {{ nodes {{ id kind }} }} }}"
    return [node["kind"] for node in (await world.data(viewer, document))["notifications"]["nodes"]]


async def ids_of(world: World, viewer: Viewer) -> dict[str, str]:
    """By kind; each kind came once."""
    nodes = (await world.data(viewer, f"{{ {FEED} }}"))["notifications"]["nodes"]
    return {node["kind"]: node["id"] for node in nodes}


async def do(world: World, viewer: Viewer, mutation: str, **input: Any) -> dict[str, Any]:
    type_name = f"{mutation[0].upper()}{mutation[1:]}Input"
    shown = (
        "preferences { category channel isOn }" if "Preference" in mutation else "counts { unseen unread }"
    )
    document = (
        f"mutation($input: {type_name}!) {{ {mutation}(input: $input) {{ outcome position {shown} "
        "errors { __typename code path ... on ValidationError { constraint } } } }"
    )
    answer: dict[str, Any] = (await world.data(viewer, document, input=input))[mutation]
    return answer


async def test_a_notification_tells_who_did_what_with_what_and_why(world: World) -> None:
    hired = await busy(world)
    document = """{ notifications(first: 1) { totalCount nodes { kind category reason createdAt seenAt readAt archivedAt
        groupKey actorName note gig { id } application { id } contract { id status } invitation { id } } } }"""

    found = (await world.data(hired.client, document))["notifications"]

    assert found["totalCount"] == 3
    assert found["nodes"] == [{
        "kind": "WORK_SUBMITTED", "category": "CONTRACTS", "reason": "YOU_ARE_THE_CLIENT",
        "createdAt": world.clock().isoformat().replace("+00:00", "Z"), "seenAt": None, "readAt": None, "archivedAt": None,
        "groupKey": f"gig:{hired.gig_id}:WorkSubmitted", "actorName": "Farid", "note": "It is all there.",
        "gig": {"id": encode_id("gig", hired.gig_id)}, "application": None,
        "contract": {"id": encode_id("contract", hired.contract_id), "status": "SUBMITTED"}, "invitation": None,
    }]  # fmt: skip


async def test_a_notification_leads_to_the_application_or_invitation_it_is_about(world: World) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    assert freelancer.user_id is not None
    gig_id = await world.open_gig(client)
    invitation = await invitations.invite_freelancer(
        world.as_(client), gig_id, freelancer_id=freelancer.user_id, message="Come."
    )
    application_id = await world.application(freelancer, gig_id)
    document = "{ notifications { nodes { note application { id } invitation { id } contract { id } } } }"

    of_freelancer, of_client = [
        (await world.data(viewer, document))["notifications"]["nodes"] for viewer in (freelancer, client)
    ]

    nothing = {"note": None, "application": None, "invitation": None, "contract": None}
    assert of_freelancer == [
        nothing | {"note": "Come.", "invitation": {"id": encode_id("invitation", invitation.entity_id)}}
    ]
    assert of_client == [nothing | {"application": {"id": encode_id("application", application_id)}}]


async def test_the_feed_comes_newest_first_in_pages_without_hole_or_double(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client, wanted=9)
    for number in range(7):
        # Several in one moment, too.
        world.clock.move(timedelta(seconds=number % 2))
        await world.application(await world.freelancer(), gig_id)
    whole = (await world.data(client, "{ notifications { nodes { id } } }"))["notifications"]["nodes"]
    document = """query($after: String) { notifications(first: 3, after: $after) {
        nodes { id } pageInfo { hasNextPage endCursor } } }"""

    pages, cursor = [], None
    for _ in range(3):
        page = (await world.data(client, document, after=cursor))["notifications"]
        cursor = page["pageInfo"]["endCursor"]
        pages.append((page["nodes"], page["pageInfo"]["hasNextPage"]))
    last = "query($before: String!) { notifications(last: 3, before: $before) { nodes { id } } }"
    back = (await world.data(client, last, before=cursor))["notifications"]["nodes"]

    rows = await world.rows(
        "select id from notification where user_id = :id order by created_at desc, id desc", id=client.user_id
    )
    assert [node["id"] for node in whole] == [encode_id("notification", row[0]) for row in rows]
    assert [node for nodes, _ in pages for node in nodes] == whole
    assert [has_more for _, has_more in pages] == [True, True, False]
    assert back == whole[3:6]


async def test_the_feed_is_filtered_by_category_and_state(world: World) -> None:
    hired = await busy(world)
    ids = await ids_of(world, hired.client)
    await do(world, hired.client, "notificationsMarkSeen", upTo=ids["CONTRACT_PROGRESS_REPORTED"])
    await do(world, hired.client, "notificationsMarkRead", ids=[ids["CONTRACT_PROGRESS_REPORTED"]])
    await do(world, hired.client, "notificationsArchive", ids=[ids["APPLICATION_SUBMITTED"]])

    async def listed(where: str) -> list[str]:
        return await feed(world, hired.client, f"(where: {where})")

    work, progress, application = "WORK_SUBMITTED", "CONTRACT_PROGRESS_REPORTED", "APPLICATION_SUBMITTED"
    assert await feed(world, hired.client) == [work, progress]
    assert await listed("{}") == [work, progress]
    assert await listed("{state: UNSEEN}") == [work]
    assert await listed("{state: UNREAD}") == [work]
    assert await listed("{state: READ}") == [progress]
    assert await listed("{state: ARCHIVED}") == [application]
    assert await listed("{category: {eq: APPLICATIONS}}") == []
    assert await listed("{category: {eq: APPLICATIONS}, state: ARCHIVED}") == [application]
    assert await listed("{category: {in: [CONTRACTS, FEEDBACK]}}") == [work, progress]
    total = "{ notifications(where: {state: ARCHIVED}) { totalCount } }"
    assert (await world.data(hired.client, total))["notifications"]["totalCount"] == 1


async def test_a_cursor_of_another_filter_is_refused(world: World) -> None:
    hired = await busy(world)
    page = await world.data(hired.client, "{ notifications(first: 1) { pageInfo { endCursor } } }")
    cursor = page["notifications"]["pageInfo"]["endCursor"]

    body = await world.graphql(
        hired.client,
        "query($a: String!) { notifications(after: $a, where: {state: UNREAD}) { nodes { id } } }",
        a=cursor,
    )

    assert body["errors"][0]["extensions"]["constraint"] == "CURSOR"


async def test_everybody_sees_their_own_feed_alone(world: World) -> None:
    hired, stranger, admin = await busy(world), await world.freelancer(), await world.admin()
    ids = list((await ids_of(world, hired.client)).values())
    document = f"query($ids: [ID!]!) {{ {FEED} {COUNTS} notificationPreferences {{ isOn }} nodes(ids: $ids) {{ id }} }}"

    answers = [
        await world.data(viewer, document, ids=ids)
        for viewer in (ANONYMOUS, stranger, admin, hired.freelancer, hired.client)
    ]

    # The administrator was told of the appointment.
    assert [answer["notifications"]["totalCount"] for answer in answers] == [0, 0, 1, 1, 3]
    assert [answer["notificationCounts"]["unread"] for answer in answers] == [0, 0, 1, 1, 3]
    assert [len(answer["notificationPreferences"]) for answer in answers] == [0, 24, 24, 24, 24]
    assert [[node is not None for node in answer["nodes"]] for answer in answers] == [
        *[[False] * 3] * 4,
        [True] * 3,
    ]


async def test_a_page_tells_where_ones_stream_stood_whatever_is_on_it(world: World) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    document = "{ notifications(first: 1) { streamCursor nodes { id } } notificationCounts { streamCursor } }"

    async def places(viewer: Viewer) -> list[str | None]:
        told = await world.data(viewer, document)
        return [told[name]["streamCursor"] for name in ("notifications", "notificationCounts")]

    nothing = await places(client)
    await world.application(freelancer, await world.open_gig(client))
    something = await places(client)

    assert nothing[0] == nothing[1] is not None
    assert something[0] == something[1] != nothing[0]
    assert await places(ANONYMOUS) == [None, None]


async def test_the_counts_are_those_of_each_category(world: World) -> None:
    hired = await busy(world)
    ids = await ids_of(world, hired.client)
    await do(world, hired.client, "notificationsMarkSeen", upTo=ids["CONTRACT_PROGRESS_REPORTED"])

    counts = (await world.data(hired.client, f"{{ {COUNTS} }}"))["notificationCounts"]

    assert (counts["unseen"], counts["unread"]) == (1, 3)
    assert counts["byCategory"] == [
        {"category": "APPLICATIONS", "unseen": 0, "unread": 1},
        {"category": "INVITATIONS", "unseen": 0, "unread": 0},
        {"category": "CONTRACTS", "unseen": 1, "unread": 2},
        {"category": "FEEDBACK", "unseen": 0, "unread": 0},
        {"category": "TASKS", "unseen": 0, "unread": 0},
        {"category": "SNIPPETS", "unseen": 0, "unread": 0},
        {"category": "CHAT", "unseen": 0, "unread": 0},
        {"category": "SYSTEM", "unseen": 0, "unread": 0},
    ]


async def test_each_mark_answers_with_the_counts_from_then_on(world: World) -> None:
    hired = await busy(world)
    client, ids = hired.client, await ids_of(world, hired.client)
    work, progress = [ids["WORK_SUBMITTED"]], [ids["CONTRACT_PROGRESS_REPORTED"]]
    steps: list[tuple[str, dict[str, Any], tuple[int, int]]] = [
        ("notificationsMarkSeen", {"upTo": progress[0]}, (1, 3)),
        ("notificationsMarkRead", {"ids": work + progress}, (0, 1)),
        ("notificationsMarkUnread", {"ids": work}, (0, 2)),
        ("notificationsArchive", {"ids": work}, (0, 1)),
        ("notificationsUnarchive", {"ids": work}, (0, 2)),
        ("notificationsMarkAllRead", {"category": "APPLICATIONS"}, (0, 1)),
        ("notificationsMarkAllRead", {}, (0, 0)),
    ]

    for mutation, input, (unseen, unread) in steps:
        applied, again = [await do(world, client, mutation, **input) for _ in range(2)]

        counts = {"unseen": unseen, "unread": unread}
        assert applied.pop("position") is not None
        assert applied == {"outcome": "APPLIED", "counts": counts, "errors": []}
        assert again == {"outcome": "NOOP", "position": None, "counts": counts, "errors": []}


async def test_a_repeat_under_a_key_changes_nothing_and_shows_the_counts_of_today(world: World) -> None:
    hired = await busy(world)
    ids = list((await ids_of(world, hired.client)).values())
    first = await do(world, hired.client, "notificationsArchive", ids=ids[:1], idempotencyKey="k")
    await do(world, hired.client, "notificationsUnarchive", ids=ids[:1])

    repeat = await do(world, hired.client, "notificationsArchive", ids=ids[:1], idempotencyKey="k")
    other = await do(world, hired.client, "notificationsArchive", ids=ids[1:], idempotencyKey="k")

    assert (first["outcome"], repeat["outcome"]) == ("APPLIED", "REPLAYED")
    assert repeat["position"] is not None
    assert repeat["counts"] == {"unseen": 3, "unread": 3}
    assert [error["code"] for error in other["errors"]] == ["IDEMPOTENCY_CONFLICT"]


async def test_ids_that_are_not_ones_own_or_not_of_notifications_are_refused_and_nothing_is_written(
    world: World,
) -> None:
    hired, other = await busy(world), await busy(world)
    own = list((await ids_of(world, hired.client)).values())
    others = list((await ids_of(world, other.client)).values())
    before = await world.footprint()
    gig = encode_id("gig", hired.gig_id)
    bad: dict[str, tuple[list[str], list[tuple[str, list[str]]]]] = {
        "of somebody else": ([own[0], others[0]], [("NOT_FOUND", ["ids", "1"])]),
        "of nothing": ([encode_id("notification", new_id())], [("NOT_FOUND", ["ids", "0"])]),
        "of a gig": ([own[0], own[1], gig], [("INVALID", ["ids", "2"])]),
        "of no form": (["nonsense"], [("INVALID", ["ids", "0"])]),
        "none": ([], [("INVALID", ["ids"])]),
        "twice": ([own[0], own[0]], [("INVALID", ["ids"])]),
        "too many": (
            [encode_id("notification", new_id()) for _ in range(101)],
            [("INVALID", ["ids"])],
        ),
    }
    by_ids = (
        "notificationsMarkRead",
        "notificationsMarkUnread",
        "notificationsArchive",
        "notificationsUnarchive",
    )

    for name, (ids, expected) in bad.items():
        for mutation in by_ids:
            answer = await do(world, hired.client, mutation, ids=ids)
            found = [(error["code"], error["path"]) for error in answer["errors"]]
            assert (name, mutation, answer["outcome"], answer["counts"], found) == (
                name, mutation, "REJECTED", None, expected,
            )  # fmt: skip
    seen = await do(world, hired.client, "notificationsMarkSeen", upTo=others[0])
    assert [(e["code"], e["path"]) for e in seen["errors"]] == [("NOT_FOUND", ["upTo"])]
    assert await world.footprint() == before


async def test_preferences_are_chosen_one_by_one_and_a_critical_one_stays(world: World) -> None:
    hired = await busy(world)
    client = hired.client

    async def choose(category: str, channel: str, is_on: bool) -> dict[str, Any]:
        return await do(
            world, client, "notificationPreferenceSet", category=category, channel=channel, isOn=is_on
        )

    off = await choose("CONTRACTS", "IN_APP", False)
    again = await choose("CONTRACTS", "IN_APP", False)
    refused = await choose("SYSTEM", "IN_APP", False)
    await contracts.request_changes(world.as_(client), hired.contract_id, note="Blue.")
    await contracts.submit_work(world.as_(hired.freelancer), hired.contract_id, note=None)

    assert (off["outcome"], again["outcome"], refused["outcome"]) == ("APPLIED", "NOOP", "REJECTED")
    assert [p for p in off["preferences"] if p["isOn"] != (p["channel"] == "IN_APP")] == [
        {"category": "CONTRACTS", "channel": "IN_APP", "isOn": False}
    ]
    assert refused["errors"] == [
        {"__typename": "ValidationError", "code": "ALWAYS_ON", "path": ["isOn"], "constraint": "CRITICAL"}
    ]
    # Three were there before, the second hand-in was not told.
    assert len(await feed(world, client)) == 3
    matrix = "{ notificationPreferences { category channel isOn canBeSwitchedOff } }"
    fixed = (await world.data(client, matrix))["notificationPreferences"]
    assert [(p["category"], p["channel"]) for p in fixed if not p["canBeSwitchedOff"]] == [
        ("SYSTEM", "IN_APP")
    ]


async def test_a_page_of_the_feed_with_names_and_gigs_takes_as_many_statements_for_one_as_for_many(
    world: World,
) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client)
    document = "{ notifications { nodes { actorName note gig { title } application { id } } } }"
    taken = []

    for _ in range(2):
        await world.application(await world.freelancer(), gig_id)
        with counting_statements() as statements:
            await world.data(client, document)
        taken.append(sum(statements.values()))

    assert taken[0] == taken[1]
