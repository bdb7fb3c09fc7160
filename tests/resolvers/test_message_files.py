"""Files on messages: who reads them, for how long, and what races and crashes leave."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from auth.viewer import ANONYMOUS, Viewer
from models.attachment import AttachedAlready, Attachment
from models.errors import IdempotencyConflict, NotFound, Refusals
from models.idempotency import Outcome
from models.ids import encode_id
from models.message import MAX_FILES, Content
from models.pace import SlowMode
from models.store.files import DirectoryFiles, FileMissing
from resolvers import files, message_files, messages, projection, rooms, task_files
from resolvers.erasure import erase_own_account
from resolvers.messages import Done
from tests.resolvers.boards import board_stage
from tests.resolvers.rooms import direct, group, id_of, read, said, say
from tests.world import PASSWORD, World, kinds, race

DAY = timedelta(days=1)


@pytest.fixture
def filed(empty_world: World, tmp_path: Path) -> World:
    """A world whose files are its own."""
    services = replace(empty_world.services, files=DirectoryFiles(tmp_path / "files"))
    return World(services, empty_world.clock, empty_world.schema)


async def names(world: World, who: Viewer, room_id: UUID) -> list[list[str]]:
    """What each message shows, in order."""
    return [[file.name for file in shown.files] for shown in await read(world, who, room_id)]


async def edit(
    world: World,
    who: Viewer,
    room_id: UUID,
    message_id: UUID,
    text: str,
    *file_ids: UUID,
    key: str | None = None,
) -> Done:
    op = world.as_(who, key=key, mutation="message_edit")
    return await messages.edit_message(
        op, room_id, message_id, Content(text, file_ids=file_ids), keeps_files=False
    )


async def named(world: World, who: Viewer, room_id: UUID, key: str) -> str:
    return await messages.client_id_of(world.as_(who), room_id, id_of(who), key)


async def can_read(world: World, who: Viewer, file_id: UUID) -> bool:
    try:
        await files.find_file(world.as_(who), file_id)
    except NotFound:
        return False
    return True


async def rounds(world: World) -> int:
    """What the hourly round gives up."""
    return await files.delete_loose_files(world.as_(ANONYMOUS))


async def test_members_of_the_room_read_the_file_and_nobody_else(world: World) -> None:
    one, other, stranger = await world.client(), await world.freelancer(), await world.freelancer()
    admin = await world.admin()
    room_id = await group(world, one, other)
    file_id = await world.upload(one, "plan.txt", b"A plan.")
    before = [await can_read(world, who, file_id) for who in (one, other, stranger, admin)]

    await say(world, one, room_id, "See.", file_ids=(file_id,))

    after = [await can_read(world, who, file_id) for who in (one, other, stranger, admin, ANONYMOUS)]
    assert before[:3] == [True, False, False]
    assert after == [True, True, False, False, False]
    assert await names(world, other, room_id) == [["plan.txt"]]
    await rooms.leave_room(world.as_(other), room_id)
    assert not await can_read(world, other, file_id)


async def test_a_message_shows_its_files_in_order_and_needs_no_words_beside_them(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    file_ids = [await world.upload(one, f"{number}.txt", str(number).encode()) for number in (3, 1, 2)]
    document = """query ($id: ID!) { messages(roomId: $id) { nodes { text attachments { id name mediaType size sha256 url } } } }"""

    await say(world, one, room_id, " ", file_ids=tuple(file_ids))

    shown = await world.data(other, document, id=encode_id("room", room_id))
    (message,) = shown["messages"]["nodes"]
    first = await world.get(Attachment, file_ids[0])
    public = encode_id("file", file_ids[0])
    assert message["text"] == ""
    assert [file["name"] for file in message["attachments"]] == ["3.txt", "1.txt", "2.txt"]
    assert message["attachments"][0] == {
        "id": public, "name": "3.txt", "mediaType": "text/plain", "size": 1, "sha256": first.sha256,
        "url": f"/files/{public}",
    }  # fmt: skip


async def test_files_of_others_of_other_things_and_too_many_are_refused_and_nothing_happens(
    world: World,
) -> None:
    stage = await board_stage(world)
    one, other = stage.hired.client, stage.hired.freelancer
    room_id = await direct(world, one, other)
    theirs, on_task = await world.upload(other, "theirs"), await world.upload(one, "on a task")
    free, missing = await world.upload(one, "free"), world.as_(one).new_id()
    await task_files.attach(stage.client, await stage.task(), on_task)
    before = await world.footprint()

    for file_ids, refusal in (
        ((free, theirs), NotFound),
        ((free, missing), NotFound),
        ((free, on_task), AttachedAlready),
        ((free, free), Refusals),
        (tuple(world.as_(one).new_id() for _ in range(MAX_FILES + 1)), Refusals),
    ):
        with pytest.raises(refusal):
            await say(world, one, room_id, "See.", file_ids=file_ids)

    assert (await world.footprint()) - before == {}
    claimed = await world.rows(
        "select 1 from attachment where room_id is not null and uploader_id = :id", id=one.user_id
    )
    assert claimed == []
    with pytest.raises(Refusals):
        await say(world, one, room_id, "")


async def test_what_is_refused_for_its_file_does_not_count_as_said(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await group(world, one, other)
    await rooms.edit_room(world.as_(one), room_id, {"slow_mode_s": 60}, expected_version=None)
    file_id = await world.upload(other)

    with pytest.raises(NotFound):
        await say(world, other, room_id, "See.", file_ids=(await world.upload(one),))
    await say(world, other, room_id, "See.", file_ids=(file_id,))
    with pytest.raises(SlowMode) as refused:
        await say(world, other, room_id, "See!", key="k", file_ids=(again := await world.upload(other, "b"),))
    world.clock.move(refused.value.retry_at - world.clock())
    await say(world, other, room_id, "See!", file_ids=(again,))

    # Nor was the second file claimed by the message that came too fast.
    assert await names(world, one, room_id) == [["plan.txt"], ["b"]]


async def test_a_file_hangs_on_one_message(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    here, there = await direct(world, one, other), await group(world, one, other)
    file_id = await world.upload(one)
    await say(world, one, here, "See.", file_ids=(file_id,))

    for room_id in (here, there):
        with pytest.raises(AttachedAlready):
            await say(world, one, room_id, "See again.", file_ids=(file_id,))

    assert await names(world, other, here) == [["plan.txt"]]
    assert await names(world, other, there) == []


async def test_of_two_messages_that_take_one_file_at_once_one_is_sent(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    here, there = await direct(world, one, other), await group(world, one, other)
    file_id = await world.upload(one)

    outcomes = await race([
        say(world, one, room_id, "See.", file_ids=(file_id,)) for room_id in (here, there, here, there)
    ])  # fmt: skip

    assert kinds(outcomes) == {"tuple": 1, "AttachedAlready": 3}
    assert [*await names(world, other, here), *await names(world, other, there)] == [["plan.txt"]]


async def test_a_message_that_is_sent_often_at_once_is_one_with_its_file(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    file_id = await world.upload(one)

    outcomes = await race([say(world, one, room_id, "See.", key="k", file_ids=(file_id,)) for _ in range(8)])
    again = await say(world, one, room_id, "See.", key="k", file_ids=(file_id,))
    with pytest.raises(IdempotencyConflict):
        await say(world, one, room_id, "See.", key="k")

    assert sorted(one[0].outcome for one in outcomes if isinstance(one, tuple)) == [
        Outcome.APPLIED, *[Outcome.REPLAYED] * 7,
    ]  # fmt: skip
    assert again[0].outcome is Outcome.REPLAYED
    (shown,) = await read(world, other, room_id)
    await projection.project(world.as_(one), room_id)
    row = await world.get(Attachment, file_id)
    assert (row.subject_id, row.promised_to) == (shown.message.id, None)


async def test_an_act_that_broke_off_after_it_claimed_its_file_is_repeated_with_its_key(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    file_id = await world.upload(one)
    op = world.as_(one)
    await message_files.claim_files(
        op, room_id, op.new_id(), [file_id], client_id=await named(world, one, room_id, "k")
    )

    with pytest.raises(AttachedAlready):
        await say(world, one, room_id, "See.", key="another", file_ids=(file_id,))
    done, _ = await say(world, one, room_id, "See.", key="k", file_ids=(file_id,))

    assert done.outcome is Outcome.APPLIED
    assert await names(world, other, room_id) == [["plan.txt"]]


async def test_what_was_claimed_for_a_message_that_never_came_is_given_up_after_a_day(filed: World) -> None:
    one, other = await filed.client(), await filed.freelancer()
    room_id = await direct(filed, one, other)
    broken, sent = await filed.upload(one, "broken", b"broken"), await filed.upload(one, "sent", b"sent")
    op = filed.as_(one)
    await message_files.claim_files(op, room_id, op.new_id(), [broken], client_id="k")
    # Nobody projects it: the round has to look for itself.
    await say(filed, one, room_id, "See.", file_ids=(sent,))

    filed.clock.move(DAY - timedelta(minutes=1))
    early = await rounds(filed)
    filed.clock.move(timedelta(minutes=2))
    late = await rounds(filed)

    left = await filed.rows("select name, promised_to from attachment")
    assert (early, late, [tuple(row) for row in left]) == (0, 1, [("sent", None)])
    assert await can_read(filed, other, sent)


async def test_a_deleted_message_takes_its_files_along(filed: World) -> None:
    one, other = await filed.client(), await filed.freelancer()
    room_id = await direct(filed, one, other)
    file_id = await filed.upload(one, "plan", b"planned")
    message_id = await said(filed, one, room_id, "See.", file_ids=(file_id,))
    row = await filed.get(Attachment, file_id)

    await messages.delete_message(filed.as_(one), room_id, message_id)

    assert [await can_read(filed, who, file_id) for who in (one, other)] == [False, False]
    assert await names(filed, other, room_id) == [[]]
    filed.clock.move(timedelta(hours=2))
    assert await rounds(filed) == 1
    with pytest.raises(FileMissing):
        async with filed.services.files.reading(row.sha256):
            pass


async def test_whoever_projects_a_deletion_lets_the_files_go_as_well(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    file_id = await world.upload(one)
    message_id = await said(world, one, room_id, "See.", file_ids=(file_id,))
    await messages.delete_message(world.as_(one), room_id, message_id)
    # As if the process had died between the deletion and what follows it.
    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        row = await tx.by_id(Attachment, file_id)
        assert row is not None
        row.removed_at = row.gone_at = None
    assert await can_read(world, other, file_id)

    await projection.project(world.as_(one), room_id)

    assert not await can_read(world, other, file_id)


async def test_an_edit_adds_removes_and_without_a_list_keeps_files(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    a, b, c = [await world.upload(one, name, name.encode()) for name in "abc"]
    message_id = await said(world, one, room_id, "See.", file_ids=(a, b))

    await edit(world, one, room_id, message_id, "See!", b, c)
    shown = await names(world, other, room_id)
    await messages.edit_message(world.as_(one), room_id, message_id, Content("See?"))
    kept = await names(world, other, room_id)
    with pytest.raises(NotFound):
        await edit(world, one, room_id, message_id, "Back.", a)
    same, _ = await edit(world, one, room_id, message_id, "See?", b, c)
    await projection.project(world.as_(one), room_id)

    assert (shown, kept, same.outcome) == ([["b", "c"]], [["b", "c"]], Outcome.NOOP)
    assert [await can_read(world, other, id) for id in (a, b, c)] == [False, True, True]
    rows = await world.rows(
        "select promised_to, subject_id from attachment where gone_at is null and uploader_id = :id",
        id=one.user_id,
    )
    assert [tuple(row) for row in rows] == [(None, message_id)] * 2


async def test_a_repeated_edit_compares_the_files_it_named(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    a, b = await world.upload(one, "a", b"a"), await world.upload(one, "b", b"b")
    message_id = await said(world, one, room_id, "See.", file_ids=(a,))

    first, _ = await edit(world, one, room_id, message_id, "See!", a, b, key="e")
    again, _ = await edit(world, one, room_id, message_id, "See!", a, b, key="e")
    with pytest.raises(IdempotencyConflict):
        await edit(world, one, room_id, message_id, "See!", a, key="e")

    assert (first.outcome, again.outcome) == (Outcome.APPLIED, Outcome.REPLAYED)
    assert await names(world, other, room_id) == [["a", "b"]]


async def test_an_act_that_is_refused_for_its_key_takes_no_file(filed: World) -> None:
    world = filed
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    message_id = await said(world, one, room_id, "See.")
    await say(world, one, room_id, "Here.", key="s")
    await edit(world, one, room_id, message_id, "See!", key="e")
    sent, edited = await world.upload(one, "a", b"a"), await world.upload(one, "b", b"b")

    with pytest.raises(IdempotencyConflict):
        await say(world, one, room_id, "Other.", key="s", file_ids=(sent,))
    with pytest.raises(IdempotencyConflict):
        await edit(world, one, room_id, message_id, "Other.", edited, key="e")

    assert [await can_read(world, other, file_id) for file_id in (sent, edited)] == [False, False]
    await say(world, one, room_id, "Now.", key="n", file_ids=(sent, edited))
    await projection.project(world.as_(one), room_id)
    assert [await can_read(world, other, file_id) for file_id in (sent, edited)] == [True, True]
    world.clock.move(DAY + timedelta(minutes=1))
    assert await rounds(world) == 0


async def test_projecting_beside_an_edit_takes_no_file_from_it(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    a, b = await world.upload(one, "a", b"a"), await world.upload(one, "b", b"b")
    message_id = await said(world, one, room_id, "See.", file_ids=(a,))
    await projection.project(world.as_(one), room_id)
    op = world.as_(one)
    await message_files.claim_files(
        op, room_id, message_id, [b], client_id=await named(world, one, room_id, "e")
    )
    await messages.react_to_message(world.as_(other), room_id, message_id, "👍", is_on=True)

    await projection.project(world.as_(one), room_id)
    await edit(world, one, room_id, message_id, "See.", a, b, key="e")

    assert await names(world, other, room_id) == [["a", "b"]]


async def test_an_erased_account_takes_its_files_along_and_nobody_elses(filed: World) -> None:
    one, other = await filed.client(), await filed.freelancer()
    room_id = await direct(filed, one, other)
    mine, theirs = await filed.upload(one, "mine", b"mine"), await filed.upload(other, "theirs", b"theirs")
    await say(filed, one, room_id, "See.", file_ids=(mine,))
    await say(filed, other, room_id, "Seen.", file_ids=(theirs,))

    await erase_own_account(filed.as_(one), password=PASSWORD)
    await projection.project(filed.as_(other), room_id)
    filed.clock.move(timedelta(hours=2))
    deleted = await rounds(filed)

    assert [await can_read(filed, other, id) for id in (mine, theirs)] == [False, True]
    assert (deleted, await names(filed, other, room_id)) == (1, [[], ["theirs"]])
    rows = await filed.rows("select name, gone_at is null as is_there from attachment order by name")
    assert [tuple(row) for row in rows] == [("Erased file", False), ("theirs", True)]


async def test_a_file_of_a_room_is_not_hung_on_a_task(world: World) -> None:
    stage = await board_stage(world)
    me, other = stage.hired.client, stage.hired.freelancer
    room_id = await direct(world, me, other)
    file_id = await world.upload(me)
    await say(world, me, room_id, "See.", file_ids=(file_id,))

    with pytest.raises(AttachedAlready):
        await task_files.attach(stage.client, await stage.task(), file_id)

    # The same bytes, uploaded again, are another file.
    again = await world.upload(me)
    await task_files.attach(stage.client, await stage.task(), again)
    assert again != file_id
    assert id_of(me) == (await world.get(Attachment, again)).uploader_id
