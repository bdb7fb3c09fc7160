"""Whom messages notify: whoever is written to alone or by name, once, and nobody of what is said to all."""

from typing import Any
from uuid import UUID

from auth.viewer import ANONYMOUS, Viewer
from models.notice import NotificationCategory
from models.notification import NotificationChannel
from resolvers import messages, notices, notifications, projection, rooms
from tests.resolvers.rooms import direct, group, id_of, said, say
from tests.world import World, race

FEED = """{ notifications { nodes { kind category reason groupKey actorName room { title } } }
  notificationCounts { unseen byCategory { category unseen } } }"""


async def notified(world: World, who: Viewer) -> list[tuple[str, UUID, UUID]]:
    """Why, by whom, and in which room; the first first."""
    rows = await world.rows(
        "select reason, actor_id, room_id from notification where user_id = :id and kind = 'MessageForPerson' order by id",
        id=id_of(who),
    )
    return [tuple(row) for row in rows]


async def project(world: World, *room_ids: UUID) -> None:
    for room_id in room_ids:
        await projection.project(world.as_(ANONYMOUS), room_id)


async def test_whoever_is_written_to_is_notified_once_however_many_project(world: World) -> None:
    one, other, third = await world.client("Olga"), await world.freelancer(), await world.freelancer()
    pair, team = await direct(world, one, other), await group(world, one, other, third)
    await say(world, one, pair, "hello")
    await say(world, one, team, "all of you", mentions_room=True)
    await say(world, other, team, "nobody in particular")
    await say(world, one, team, "you", mention_ids=(id_of(other), id_of(one)))

    for room_id in (pair, team):
        await race(projection.project(world.as_(one), room_id) for _ in range(5))

    mine = id_of(one)
    assert await notified(world, other) == [
        ("YOU_ARE_WRITTEN_TO", mine, pair), ("YOU_ARE_MENTIONED", mine, team)
    ]  # fmt: skip
    assert (await notified(world, one), await notified(world, third)) == ([], [])
    feed: dict[str, Any] = await world.data(other, FEED)
    newest, first = feed["notifications"]["nodes"]
    assert newest == {
        "kind": "MESSAGE_FOR_PERSON", "category": "CHAT", "reason": "YOU_ARE_MENTIONED", "actorName": "Olga",
        "groupKey": newest["groupKey"], "room": {"title": "Fence"},
    }  # fmt: skip
    assert first["groupKey"] != newest["groupKey"]
    assert feed["notificationCounts"]["unseen"] == 2


async def test_what_is_said_to_somebody_in_one_room_stands_together(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    pair = await direct(world, one, other)
    for text in ("one", "two", "three"):
        await say(world, one, pair, text)
    await project(world, pair)

    feed = await world.data(other, FEED)

    assert len({node["groupKey"] for node in feed["notifications"]["nodes"]}) == 1
    assert len(feed["notifications"]["nodes"]) == 3


async def test_who_muted_a_room_or_switched_them_off_is_notified_of_less(world: World) -> None:
    one, muted, off = await world.client(), await world.freelancer(), await world.freelancer()
    team, pair = await group(world, one, muted, off), await direct(world, one, muted)
    alone = await direct(world, one, off)
    for room_id in (team, pair):
        await rooms.set_preference(world.as_(muted), room_id, {"is_muted": True})
    await notifications.set_preference(
        world.as_(off), NotificationCategory.CHAT, NotificationChannel.IN_APP, is_on=False
    )
    await say(world, one, pair, "quiet")
    await say(world, one, alone, "quiet")
    await say(world, one, team, "you two", mention_ids=(id_of(muted), id_of(off)))
    await project(world, team, pair, alone)

    assert await notified(world, muted) == [("YOU_ARE_MENTIONED", id_of(one), team)]
    assert await notified(world, off) == []


async def test_nobody_is_notified_of_what_is_gone_already_or_what_the_platform_says(world: World) -> None:
    hired = await world.hired()
    client, freelancer = hired.client, hired.freelancer
    await notices.say_notices(world.as_(ANONYMOUS))
    rows = await world.rows("select id from room where contract_id = :id", id=hired.contract_id)
    room_id = rows[0].id
    message_id = await said(world, client, room_id, "never mind")
    await messages.delete_message(world.as_(client), room_id, message_id)

    await project(world, room_id)

    assert (await notified(world, freelancer), await notified(world, client)) == ([], [])
    await say(world, client, room_id, "begin")
    await project(world, room_id)
    assert await notified(world, freelancer) == [("YOU_ARE_WRITTEN_TO", id_of(client), room_id)]
