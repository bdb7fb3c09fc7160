"""Snippets that are shared with rooms: who sees them, for how long, and races with leaving."""

import asyncio
from uuid import UUID

import pytest
import sqlalchemy as sa

from auth.viewer import Viewer
from models.errors import NotAllowed, NotFound
from models.idempotency import Outcome
from models.ids import encode_id
from models.room import ArchivedRoom, BlockedPerson, ReadOnlyRoom
from models.snippet import MAX_SHARES_IN_ROOM, ArchivedSnippet, RoomSharesFull
from models.store.sql import Receipt
from resolvers import rooms, snippet_shares, snippet_talk, snippets
from resolvers.contracts import submit_work
from resolvers.operation import Operation
from resolvers.snippet_talk import Lines
from resolvers.snippets import NamedVersion
from tests.resolvers.rooms import direct, group, id_of, told
from tests.resolvers.snippets import keep
from tests.world import World, race

SEEN = """query ($id: ID!, $room: ID!) { snippet(id: $id) { title latest { content } viewer { can } shares { kind room { id } } }
    snippets(where: {roomId: $room}) { totalCount } }"""


async def share(op: Operation, snippet_id: UUID, room_id: UUID, *, may_revise: bool = False) -> Receipt:
    return await snippet_shares.share_with_room(op, snippet_id, room_id, may_revise=may_revise)


async def revise(op: Operation, snippet_id: UUID, content: str = "newer") -> Receipt:
    return await snippets.revise_snippet(op, snippet_id, content=content, message=None, expected_version=None)


async def seen(world: World, who: Viewer, snippet_id: UUID, room_id: UUID) -> object:
    found = await world.data(
        who,
        SEEN,
        id=encode_id("snippet", snippet_id),
        room=encode_id("room", room_id),
    )
    shown = found["snippet"]
    return (None if shown is None else shown["latest"]["content"], found["snippets"]["totalCount"])


async def test_members_of_the_room_see_it_and_nobody_else(world: World) -> None:
    keeper, member, stranger = await world.client(), await world.freelancer(), await world.freelancer()
    admin = await world.admin()
    room_id = await group(world, keeper, member)
    snippet_id = await keep(world, keeper, "pass")

    receipt = await share(world.as_(keeper), snippet_id, room_id)

    assert receipt.outcome is Outcome.APPLIED
    for who, expected in (
        (keeper, ("pass", 1)),
        (member, ("pass", 1)),
        (stranger, (None, 0)),
        (admin, (None, 0)),
    ):
        assert await seen(world, who, snippet_id, room_id) == expected
    shown = await world.data(
        member, SEEN, id=encode_id("snippet", snippet_id), room=encode_id("room", room_id)
    )
    assert shown["snippet"]["shares"] == [{"kind": "ROOM", "room": {"id": encode_id("room", room_id)}}]


async def test_who_joins_later_sees_it_and_who_leaves_or_is_sent_away_does_not(world: World) -> None:
    keeper, leaver, sent, joiner = (
        await world.client(), await world.freelancer(), await world.freelancer(), await world.freelancer(),
    )  # fmt: skip
    room_id = await group(world, keeper, leaver, sent)
    snippet_id = await keep(world, keeper, "pass")
    await share(world.as_(keeper), snippet_id, room_id)

    await rooms.leave_room(world.as_(leaver), room_id)
    await rooms.remove_member(world.as_(keeper), room_id, id_of(sent))
    await rooms.add_members(world.as_(keeper), room_id, [id_of(joiner)])

    assert await seen(world, leaver, snippet_id, room_id) == (None, 0)
    assert await seen(world, sent, snippet_id, room_id) == (None, 0)
    assert await seen(world, joiner, snippet_id, room_id) == ("pass", 1)
    facts = await world.rows(
        "select kind from fact where stream = :stream order by number", stream=f"snippet:{snippet_id}"
    )
    assert [row.kind for row in facts] == [
        "SnippetCreated", "SnippetShared", "SnippetShareNarrowed", "SnippetShareNarrowed",
    ]  # fmt: skip


async def test_a_share_that_ends_takes_the_sight_of_all_but_the_owner(world: World) -> None:
    keeper, member = await world.client(), await world.freelancer()
    room_id = await group(world, keeper, member)
    snippet_id = await keep(world, keeper, "pass")
    receipt = await share(world.as_(keeper), snippet_id, room_id)

    ended = await snippet_shares.end_share(world.as_(keeper), receipt.entity_id)
    again = await share(world.as_(keeper), snippet_id, room_id)

    assert (ended.outcome, again.outcome) == (Outcome.APPLIED, Outcome.APPLIED)
    assert again.entity_id != receipt.entity_id
    await snippet_shares.end_share(world.as_(keeper), again.entity_id)
    assert await seen(world, member, snippet_id, room_id) == (None, 0)
    assert await seen(world, keeper, snippet_id, room_id) == ("pass", 0)


async def test_members_revise_what_the_share_lets_them(world: World) -> None:
    keeper, member = await world.client(), await world.freelancer()
    room_id = await group(world, keeper, member)
    snippet_id = await keep(world, keeper)
    first = await share(world.as_(keeper), snippet_id, room_id)
    with pytest.raises(NotAllowed):
        await revise(world.as_(member), snippet_id)

    changed = await share(world.as_(keeper), snippet_id, room_id, may_revise=True)
    same = await share(world.as_(keeper), snippet_id, room_id, may_revise=True)
    revised = await revise(world.as_(member), snippet_id)
    await rooms.leave_room(world.as_(member), room_id)

    assert [changed.outcome, same.outcome, revised.outcome] == [
        Outcome.APPLIED,
        Outcome.NOOP,
        Outcome.APPLIED,
    ]
    assert first.entity_id == changed.entity_id == same.entity_id
    with pytest.raises(NotFound):
        await revise(world.as_(member), snippet_id, "still?")


async def test_only_members_are_spoken_to_in_comments_and_only_while_they_are(world: World) -> None:
    keeper, member, other = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, keeper, member, other)
    snippet_id = await keep(world, keeper)
    await share(world.as_(keeper), snippet_id, room_id)
    (latest,) = await world.rows("select latest_id from snippet where id = :id", id=snippet_id)
    lines = Lines(latest.latest_id, 1, 1)

    said = await snippet_talk.comment_lines(world.as_(member), lines, "Look.", mentions=[id_of(other)])
    await rooms.leave_room(world.as_(other), room_id)
    with pytest.raises(NotFound):
        await snippet_talk.comment_lines(world.as_(member), lines, "Look!", mentions=[id_of(other)])
    await rooms.leave_room(world.as_(member), room_id)
    await snippet_talk.answer_comment(world.as_(keeper), said.entity_id, "So.", mentions=[])

    notices = await world.rows(
        "select kind, user_id from notification where snippet_id = :id order by kind, user_id", id=snippet_id
    )
    # The one who spoke left before the answer came.
    assert [(row.kind, row.user_id) for row in notices] == [
        ("SnippetCommentMentioned", other.user_id), ("SnippetCommentNoticed", keeper.user_id),
    ]  # fmt: skip


async def test_the_other_one_is_notified_in_a_room_of_two_and_nobody_in_a_group(world: World) -> None:
    keeper, other = await world.client(), await world.freelancer()
    of_two, of_many = await direct(world, keeper, other), await group(world, keeper, other)
    snippet_id = await keep(world, keeper)

    await share(world.as_(keeper), snippet_id, of_many)
    before = await world.rows("select 1 from notification where snippet_id = :id", id=snippet_id)
    await share(world.as_(keeper), snippet_id, of_two)

    notices = await world.rows("select kind, user_id from notification where snippet_id = :id", id=snippet_id)
    assert before == []
    assert [tuple(row) for row in notices] == [("SnippetOffered", other.user_id)]


async def test_who_cannot_write_in_the_room_or_owns_nothing_shares_nothing(world: World) -> None:
    keeper, member, stranger = await world.client(), await world.freelancer(), await world.freelancer()
    admin = await world.admin()
    read_only = await group(world, keeper, member, is_read_only=True)
    open_room, archived = await group(world, keeper, member), await group(world, keeper, member)
    blocked = await direct(world, keeper, member)
    own, theirs, put_away = await keep(world, member), await keep(world, keeper), await keep(world, keeper)
    of_stranger, of_admin = await keep(world, stranger), await keep(world, admin)
    await share(world.as_(keeper), theirs, open_room)
    await rooms.archive_room(world.as_(keeper), archived, is_on=True)
    await rooms.block_person(world.as_(keeper), id_of(member))
    await snippets.archive_snippet(world.as_(keeper), put_away)
    before = await world.footprint()

    for who, snippet_id, room_id, refusal in (
        (member, own, read_only, ReadOnlyRoom),
        (member, own, archived, ArchivedRoom),
        (member, own, blocked, BlockedPerson),
        (member, theirs, open_room, NotAllowed),
        (keeper, put_away, open_room, ArchivedSnippet),
        (keeper, own, open_room, NotFound),
        (stranger, of_stranger, open_room, NotFound),
        (admin, of_admin, open_room, NotFound),
    ):
        with pytest.raises(refusal):
            await share(world.as_(who), snippet_id, room_id)

    assert await world.footprint() == before
    assert (await share(world.as_(keeper), theirs, read_only)).outcome is Outcome.APPLIED


_FILL = sa.text("""
    with made as (
        insert into snippet (id, owner_id, title, language, latest_number, latest_id, created_at, updated_at, version)
        select gen_random_uuid(), owner_id, 'x', 'GO', 1, gen_random_uuid(), created_at, updated_at, 1
        from snippet, generate_series(1, :count) where id = :id returning id, created_at
    )
    insert into snippet_share (id, snippet_id, kind, room_id, may_revise, created_at)
    select gen_random_uuid(), id, 'ROOM', :room_id, false, created_at from made
""").bindparams(sa.bindparam("id", type_=sa.Uuid), sa.bindparam("room_id", type_=sa.Uuid))


async def test_a_room_takes_only_so_many_snippets(world: World) -> None:
    keeper, member = await world.client(), await world.freelancer()
    room_id = await group(world, keeper, member)
    snippet_id, other = await keep(world, keeper), await keep(world, keeper)
    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        await tx.execute(_FILL.bindparams(id=snippet_id, room_id=room_id, count=MAX_SHARES_IN_ROOM - 1))

    await share(world.as_(keeper), snippet_id, room_id)

    with pytest.raises(RoomSharesFull):
        await share(world.as_(keeper), other, room_id)


async def test_of_two_who_share_at_once_one_share_comes(world: World) -> None:
    keeper, member = await world.client(), await world.freelancer()
    room_id = await group(world, keeper, member)
    snippet_id = await keep(world, keeper)

    outcomes = await race([share(world.as_(keeper), snippet_id, room_id) for _ in range(5)])

    assert sorted(one.outcome for one in outcomes if isinstance(one, Receipt)) == [
        Outcome.APPLIED, *[Outcome.NOOP] * 4,
    ]  # fmt: skip
    assert len({one.entity_id for one in outcomes if isinstance(one, Receipt)}) == 1


async def test_leaving_beside_a_share_tells_of_it_exactly_if_the_share_was_there(world: World) -> None:
    keeper, member = await world.client(), await world.freelancer()
    room_id = await group(world, keeper, member)
    snippet_id = await keep(world, keeper)

    shared, left = await race(
        [share(world.as_(keeper), snippet_id, room_id), rooms.leave_room(world.as_(member), room_id)]
    )

    assert isinstance(shared, Receipt)
    assert isinstance(left, Receipt)
    facts = await world.rows(
        "select kind from fact where stream = :stream order by number", stream=f"snippet:{snippet_id}"
    )
    kinds = [row.kind for row in facts]
    assert kinds in (
        ["SnippetCreated", "SnippetShared"], ["SnippetCreated", "SnippetShared", "SnippetShareNarrowed"],
    )  # fmt: skip
    assert "RoomMemberLeft" in await told(world, room_id)
    assert await seen(world, member, snippet_id, room_id) == (None, 0)


@pytest.mark.parametrize("refusal", [ArchivedRoom, BlockedPerson])
async def test_what_closes_a_room_while_a_share_waits_for_it_refuses_the_share(
    world: World, refusal: type[Exception]
) -> None:
    keeper, other = await world.client(), await world.freelancer()
    room_id = await direct(world, keeper, other)
    snippet_id = await keep(world, keeper)
    op = world.as_(other)

    async with op.transaction() as tx:
        room, _ = await rooms.lock_room(op, tx, room_id)
        sharing = asyncio.create_task(share(world.as_(keeper), snippet_id, room_id))
        await world.somebody_waits()
        if refusal is ArchivedRoom:
            room.archived_at = op.now()
        else:
            await rooms.block_person(world.as_(other), id_of(keeper))
    with pytest.raises(refusal):
        await sharing

    assert await world.rows("select 1 from snippet_share where snippet_id = :id", id=snippet_id) == []
    told_of = "select kind from fact where payload ->> 'snippet_id' = :id or stream = 'snippet:' || :id"
    facts = await world.rows(told_of, id=str(snippet_id))
    assert {row.kind for row in facts} == {"SnippetCreated"}


async def test_a_version_that_is_seen_by_a_room_can_be_submitted_by_its_hash(world: World) -> None:
    hired = await world.hired()
    snippet_id = await keep(world, hired.client)
    (room,) = await world.rows("select id from room where contract_id = :id", id=hired.contract_id)
    await share(world.as_(hired.client), snippet_id, room.id)
    (version,) = await world.rows(
        "select v.id, v.sha256 from snippet s join snippet_version v on v.id = s.latest_id where s.id = :id",
        id=snippet_id,
    )

    await submit_work(
        world.as_(hired.freelancer), hired.contract_id, note=None,
        snippets=[NamedVersion(version.id, version.sha256)],
    )  # fmt: skip

    rows = await world.rows("select contract_id from submitted_snippet where version_id = :id", id=version.id)
    assert [row.contract_id for row in rows] == [hired.contract_id]
