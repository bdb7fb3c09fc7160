"""What super admins are told of keys: all that an operator has to know, and nothing that opens anything."""

import json
from dataclasses import replace
from datetime import timedelta

from models.ids import encode_id, new_id
from models.store.chat_keys import ChatKeys
from models.store.chat_rotation import Rotation, rewrap
from models.store.chat_sql import Statements
from models.store.keys import KeyRing
from models.user import Role
from tests.chat_keys import pem_path, ring_of
from tests.world import World

DOCUMENT = """{ encryptionStatus { wrappingKeys { id bits isCurrent inForce retired oldestAt } dataKeys retiredDataKeys
    rewrappedDataKeys oldestDataKeyAt searchKeys indexedMessages tokenBits usesDevelopmentKey warnings } }"""


def with_ring(world: World, url: str, ring: KeyRing) -> World:
    keys = ChatKeys(Statements(url, size=1), ring)
    return World(
        replace(world.services, chat=replace(world.services.chat, keys=keys)), world.clock, world.schema
    )


def text_of(world: World) -> str:
    return world.clock().isoformat().replace("+00:00", "Z")


async def test_a_rotation_shows_from_the_first_key_to_the_last(
    empty_world: World, empty_database_url: str
) -> None:
    old = with_ring(empty_world, empty_database_url, ring_of(0))
    boss, began = await old.admin(Role.SUPER_ADMIN), text_of(old)
    rooms = [new_id() for _ in range(3)]
    for room_id in rooms:
        await old.services.chat.keys.in_force(room_id, boss.user_id, at=old.clock())
    await old.services.chat.keys.in_force(rooms[0], None, at=old.clock())
    old.clock.move(timedelta(days=100))
    await old.services.chat.keys.retire_some(made_before=old.clock(), at=old.clock(), limit=1)
    new = with_ring(old, empty_database_url, ring_of(1, 0))
    first, second = ring_of(0).current, ring_of(1).current

    before = (await old.data(boss, DOCUMENT))["encryptionStatus"]
    during = (await new.data(boss, DOCUMENT))["encryptionStatus"]
    await rewrap(new.services.chat.keys, Rotation(), lambda _: None)
    after = (await new.data(boss, DOCUMENT))["encryptionStatus"]

    all_of_first = {
        "id": first, "bits": 3072, "isCurrent": True, "inForce": 3, "retired": 1, "oldestAt": began,
    }  # fmt: skip
    none = {"inForce": 0, "retired": 0, "oldestAt": None}
    assert before == {
        "wrappingKeys": [all_of_first], "dataKeys": 4, "retiredDataKeys": 1, "rewrappedDataKeys": 4,
        "oldestDataKeyAt": began, "searchKeys": 1, "indexedMessages": 0, "tokenBits": 64, "usesDevelopmentKey": False,
        "warnings": [],
    }  # fmt: skip
    assert during["wrappingKeys"] == [
        all_of_first | none | {"id": second},
        all_of_first | {"isCurrent": False},
    ]
    assert during["rewrappedDataKeys"] == 0
    assert [warning[:18] for warning in during["warnings"]] == ["4 keys are wrapped"]
    assert after["wrappingKeys"] == [
        all_of_first | {"id": second},
        all_of_first | none | {"isCurrent": False},
    ]
    assert (after["rewrappedDataKeys"], after["warnings"]) == (4, [])


async def test_a_missing_key_and_a_key_for_development_are_warned_of(
    empty_world: World, empty_database_url: str
) -> None:
    old = with_ring(empty_world, empty_database_url, ring_of(0))
    boss = await old.admin(Role.SUPER_ADMIN)
    await old.services.chat.keys.in_force(new_id(), boss.user_id, at=old.clock())
    ring = KeyRing([pem_path(1).read_text()], is_for_development=True)
    careless = with_ring(old, empty_database_url, ring)

    status = (await careless.data(boss, DOCUMENT))["encryptionStatus"]

    assert status["usesDevelopmentKey"] is True
    assert [(key["bits"], key["inForce"]) for key in status["wrappingKeys"]] == [(3072, 0), (None, 1)]
    assert [warning.split(".")[0] for warning in status["warnings"]] == [
        "The wrapping key was made for development",
        f"CHAT_KEYS lacks {ring_of(0).current}: what these keys wrap cannot be read",
        "1 keys are wrapped by another key than the first of CHAT_KEYS",
    ]


async def test_no_part_of_any_key_is_told(empty_world: World, empty_database_url: str) -> None:
    world = with_ring(empty_world, empty_database_url, ring_of(0))
    boss = await world.admin(Role.SUPER_ADMIN)
    key = await world.services.chat.keys.in_force(new_id(), boss.user_id, at=world.clock())
    (row,) = await world.rows("select wrapped from chat_key")

    told = json.dumps(await world.data(boss, DOCUMENT))

    lines = pem_path(0).read_text().splitlines()[1:-1]
    for secret in (*lines, key.secret.hex(), bytes(row.wrapped).hex(), encode_id("key", key.id), str(key.id)):
        assert secret not in told
