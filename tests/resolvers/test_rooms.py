"""Rooms and their members: who comes in, who goes, who may what; and that a refusal changes nothing."""

from collections.abc import Awaitable, Callable

from auth.viewer import Viewer
from models.errors import NotAllowed, NotFound
from models.profile import Visibility
from models.room import (
    ArchivedRoom,
    BlockedPerson,
    FixedMembers,
    LastOwner,
    RoomRole,
)
from models.store.sql import Receipt
from resolvers import applications, profiles, rooms
from tests.resolvers.rooms import direct, group, id_of, say, told
from tests.world import World, kinds, race


async def members(world: World, room_id: object) -> dict[object, str]:
    rows = await world.rows(
        "select user_id, role from room_member where room_id = :id and left_at is null", id=room_id
    )
    return {row.user_id: row.role for row in rows}


async def test_a_pair_has_one_direct_room_whoever_opens_it_and_when(world: World) -> None:
    one, other = await world.client(), await world.freelancer()

    receipts = await race(
        rooms.open_direct(world.as_(who), id_of(whom)) for who, whom in [(one, other), (other, one)] * 10
    )

    assert kinds(receipts) == {"Receipt": 20}
    outcomes = [receipt.outcome for receipt in receipts if isinstance(receipt, Receipt)]
    assert sorted(outcomes) == ["APPLIED"] + ["NOOP"] * 19
    room_ids = {receipt.entity_id for receipt in receipts if isinstance(receipt, Receipt)}
    assert len(room_ids) == 1
    room_id = room_ids.pop()
    assert await members(world, room_id) == {id_of(one): "MEMBER", id_of(other): "MEMBER"}
    assert await told(world, room_id) == ["RoomCreated", "RoomMemberAdded", "RoomMemberAdded"]


async def test_nobody_opens_a_room_with_themselves_or_with_whom_they_do_not_know(world: World) -> None:
    one, hidden = await world.client(), await world.freelancer()
    await profiles.edit_freelancer(
        world.as_(hidden), {"visibility": Visibility.PRIVATE}, expected_version=None
    )
    before = await world.footprint()

    assert kinds(await race([rooms.open_direct(world.as_(one), id_of(one))])) == {"DirectWithOneself": 1}
    assert kinds(await race([rooms.open_direct(world.as_(one), id_of(hidden))])) == {"NotFound": 1}

    assert await world.footprint() == before
    # They know each other once they have business with each other.
    await world.hired(client=one, freelancer=hidden)
    assert (await rooms.open_direct(world.as_(one), id_of(hidden))).outcome == "APPLIED"


async def test_an_application_and_a_contract_bring_a_room_each_for_both_sides(world: World) -> None:
    hired = await world.hired()

    rows = await world.rows(
        "select id, kind from room where application_id = :application or contract_id = :contract order by kind",
        application=hired.application_id, contract=hired.contract_id,
    )  # fmt: skip

    assert [row.kind for row in rows] == ["APPLICATION", "CONTRACT"]
    both = {id_of(hired.client): "MEMBER", id_of(hired.freelancer): "MEMBER"}
    assert [await members(world, row.id) for row in rows] == [both, both]


async def test_an_application_that_is_refused_brings_no_room(world: World) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    gig_id = await world.open_gig(client)
    await world.application(freelancer, gig_id)
    before = await world.footprint()

    again = await applications.submit_application(world.as_(freelancer), gig_id, world.bid())

    assert again.outcome == "NOOP"
    assert await world.footprint() == before


async def test_who_belongs_to_a_room_that_is_for_something_does_not_change(world: World) -> None:
    one, other, third = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await direct(world, one, other)
    before = await world.footprint()

    op = world.as_(one)
    acts: list[Awaitable[Receipt]] = [
        rooms.add_members(op, room_id, [id_of(third)]),
        rooms.remove_member(op, room_id, id_of(other)),
        rooms.leave_room(op, room_id),
        rooms.set_role(op, room_id, id_of(one), RoomRole.OWNER),
        rooms.edit_room(op, room_id, {"title": "Ours"}, expected_version=None),
    ]

    assert kinds([outcome for act in acts for outcome in await race([act])]) == {FixedMembers.__name__: 5}
    assert await world.footprint() == before


async def test_a_group_is_changed_by_whom_it_lets(world: World) -> None:
    owner, moderator, member = await world.client(), await world.freelancer(), await world.freelancer()
    stranger = await world.client()
    room_id = await group(world, owner, moderator, member)
    await rooms.set_role(world.as_(owner), room_id, id_of(moderator), RoomRole.MODERATOR)

    acts: dict[str, Callable[[Viewer], Awaitable[Receipt]]] = {
        "edit": lambda who: rooms.edit_room(world.as_(who), room_id, {"title": "New"}, expected_version=None),
        "add": lambda who: rooms.add_members(world.as_(who), room_id, [id_of(stranger)]),
        "remove owner": lambda who: rooms.remove_member(world.as_(who), room_id, id_of(owner)),
        "role": lambda who: rooms.set_role(world.as_(who), room_id, id_of(member), RoomRole.MODERATOR),
        "archive": lambda who: rooms.archive_room(world.as_(who), room_id, is_on=True),
    }
    before = await world.footprint()
    for act in acts.values():
        assert kinds(await race([act(member)])) == {NotAllowed.__name__: 1}
        assert kinds(await race([act(stranger)])) == {NotFound.__name__: 1}
    for name in ("remove owner", "role"):
        assert kinds(await race([acts[name](moderator)])) == {NotAllowed.__name__: 1}
    assert await world.footprint() == before

    for name in ("edit", "add", "archive"):
        assert (await acts[name](moderator)).outcome == "APPLIED"
    assert kinds(await race([acts["remove owner"](owner)])) == {LastOwner.__name__: 1}
    assert await told(world, room_id) == [
        "RoomCreated", *["RoomMemberAdded"] * 3, "RoomMemberRoleSet", "RoomEdited", "RoomMemberAdded", "RoomArchived"
    ]  # fmt: skip


async def test_a_group_with_members_keeps_an_owner_however_many_leave_at_once(world: World) -> None:
    owners = [await world.client() for _ in range(4)]
    member = await world.freelancer()
    room_id = await group(world, owners[0], *owners[1:], member)
    for other in owners[1:]:
        await rooms.set_role(world.as_(owners[0]), room_id, id_of(other), RoomRole.OWNER)

    outcomes = await race(rooms.leave_room(world.as_(owner), room_id) for owner in owners)

    assert kinds(outcomes) == {"Receipt": 3, "LastOwner": 1}
    assert sorted((await members(world, room_id)).values()) == ["MEMBER", "OWNER"]


async def test_who_was_sent_away_can_do_nothing_and_comes_back_as_a_member(world: World) -> None:
    owner, member = await world.client(), await world.freelancer()
    room_id = await group(world, owner, member)
    await rooms.set_role(world.as_(owner), room_id, id_of(member), RoomRole.MODERATOR)

    await rooms.remove_member(world.as_(owner), room_id, id_of(member))

    before = await world.footprint()
    assert kinds(await race([rooms.leave_room(world.as_(member), room_id)])) == {"NotFound": 1}
    assert kinds(await race([say(world, member, room_id)])) == {"NotFound": 1}
    assert await world.footprint() == before
    assert (await rooms.add_members(world.as_(owner), room_id, [id_of(member)])).outcome == "APPLIED"
    assert await members(world, room_id) == {id_of(owner): "OWNER", id_of(member): "MEMBER"}


async def test_whoever_one_blocks_opens_no_room_writes_nothing_and_takes_one_into_no_group(
    world: World,
) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    assert (await rooms.block_person(world.as_(one), id_of(other))).outcome == "APPLIED"
    assert (await rooms.block_person(world.as_(one), id_of(other))).outcome == "NOOP"
    before = await world.footprint()

    acts: list[Callable[[Viewer, Viewer], Awaitable[object]]] = [
        lambda who, whom: rooms.open_direct(world.as_(who), id_of(whom)),
        lambda who, whom: say(world, who, room_id),
        lambda who, whom: rooms.create_group(world.as_(who), "All", [id_of(whom)], is_read_only=False),
    ]
    for act in acts:
        for who, whom in ((one, other), (other, one)):
            assert kinds(await race([act(who, whom)])) == {BlockedPerson.__name__: 1}

    assert await world.footprint() == before
    assert (await rooms.unblock_person(world.as_(one), id_of(other))).outcome == "APPLIED"
    assert kinds(await race([say(world, other, room_id)])) == {"tuple": 1}


async def test_how_one_has_a_room_is_told_to_oneself_alone(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)

    receipt = await rooms.set_preference(world.as_(one), room_id, {"is_muted": True, "is_favorite": True})

    assert receipt.outcome == "APPLIED"
    assert (await rooms.set_preference(world.as_(one), room_id, {"is_muted": True})).outcome == "NOOP"
    rows = await world.rows(
        "select stream, payload from fact where kind = 'RoomPreferenceSet' and payload ->> 'room_id' = :id",
        id=str(room_id),
    )
    assert [row.stream for row in rows] == [f"user:{one.user_id}"]
    assert rows[0].payload == {
        "room_id": str(room_id), "is_muted": True, "is_hidden": False, "is_favorite": True
    }  # fmt: skip


async def test_an_archived_room_is_read_and_not_written(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    await say(world, one, room_id)
    await rooms.archive_room(world.as_(other), room_id, is_on=True)
    before = await world.footprint()

    assert kinds(await race([say(world, one, room_id, "more")])) == {ArchivedRoom.__name__: 1}

    assert await world.footprint() == before
    await rooms.archive_room(world.as_(one), room_id, is_on=False)
    assert kinds(await race([say(world, one, room_id, "more")])) == {"tuple": 1}
