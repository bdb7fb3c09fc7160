"""Files: uploaded, hung on tasks, taken away, given up."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from models.attachment import AttachedAlready, Attachment, FileQuotaReached
from models.errors import NotFound, Refusals
from models.idempotency import Outcome
from models.store.files import DirectoryFiles, FileMissing
from models.task import ArchivedTask, TaskIsFull
from resolvers import files, task_files, tasks
from resolvers.files import delete_loose_files
from resolvers.operation import Rules
from tests.resolvers.boards import Stage, board_stage
from tests.world import World, kinds, race

DAY = timedelta(days=1)


@pytest.fixture
def filed(empty_world: World, tmp_path: Path) -> World:
    """A world whose files are its own."""
    services = replace(empty_world.services, files=DirectoryFiles(tmp_path / "files"))
    return World(services, empty_world.clock, empty_world.schema)


def files_below(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


async def content(world: World, row: Attachment) -> bytes:
    async with world.services.files.reading(row.sha256) as reading:
        return await reading.part(0, row.size)


async def on(stage: Stage, task_id: UUID) -> list[str]:
    """The names of the files on a task."""
    rows = await stage.world.rows(
        "select name from attachment where subject_id = :id and removed_at is null order by attached_at, id",
        id=task_id,
    )
    return [row.name for row in rows]


async def test_a_file_hangs_on_a_task_is_taken_away_and_comes_back(world: World) -> None:
    stage = await board_stage(world)
    task_id = await stage.task()
    file_id = await world.upload(stage.hired.freelancer, "plan.txt")

    _, attached = await task_files.attach(stage.freelancer, task_id, file_id)
    again, _ = await task_files.attach(stage.freelancer, task_id, file_id)
    assert (await on(stage, task_id), again.outcome) == (["plan.txt"], Outcome.NOOP)
    _, taken = await task_files.detach(stage.client, file_id)
    assert await on(stage, task_id) == []
    await stage.undo(taken)
    assert await on(stage, task_id) == ["plan.txt"]
    await stage.undo(attached, by=stage.hired.freelancer)
    assert await on(stage, task_id) == []

    told = [kind for kind in await stage.told() if kind.endswith("tached")]
    assert told == ["TaskAttached", "TaskDetached", "TaskAttached", "TaskDetached"]


async def test_only_ones_own_file_can_be_hung_on_a_task_and_only_on_one(world: World) -> None:
    stage = await board_stage(world)
    a, b = await stage.task("a"), await stage.task("b")
    file_id = await world.upload(stage.hired.freelancer)

    with pytest.raises(NotFound) as refused:
        await task_files.attach(stage.client, a, file_id)
    assert refused.value.path == ("fileId",)
    outcomes = await race([task_files.attach(stage.freelancer, one, file_id) for one in (a, b)])

    assert kinds(outcomes) == {"tuple": 1, "AttachedAlready": 1}
    assert sorted(await on(stage, a) + await on(stage, b)) == ["plan.txt"]


async def test_archived_and_full_tasks_take_no_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = await board_stage(world)
    me, task_id = stage.hired.client, await stage.task()
    monkeypatch.setattr(task_files, "MAX_ATTACHMENTS", 1)
    one, two = [await world.upload(me, name) for name in ("one", "two")]
    await task_files.attach(stage.client, task_id, one)

    with pytest.raises(TaskIsFull):
        await task_files.attach(stage.client, task_id, two)
    await tasks.archive_task(stage.client, task_id)
    for act in (task_files.attach(stage.client, task_id, two), task_files.detach(stage.client, one)):
        with pytest.raises(ArchivedTask):
            await act

    assert await on(stage, task_id) == ["one"]


async def test_the_same_upload_again_is_the_one_that_waits(world: World) -> None:
    me = await world.client()

    first, again = await world.upload(me), await world.upload(me)
    named, theirs = await world.upload(me, "other.txt"), await world.upload(await world.client())
    many = await race([world.upload(me, "at once") for _ in range(6)])

    assert first == again
    assert len({first, named, theirs}) == 3
    assert len(set(many)) == 1


async def test_files_of_one_person_take_so_much_room_and_no_more(world: World) -> None:
    small = world.with_rules(Rules(file_quota_bytes=250))
    me = await world.client()

    outcomes = await race([small.upload(me, str(at), b"x" * 99 + bytes([at])) for at in range(6)])

    assert kinds(outcomes) == {"UUID": 2, "FileQuotaReached": 4}
    with pytest.raises(FileQuotaReached) as refused:
        await small.upload(me, "more", b"y" * 51)
    assert (refused.value.limit, refused.value.count) == (250, 200)
    await small.upload(me, "fits", b"y" * 50)


@pytest.mark.parametrize("name", ["", " ", "a/b", "..", "c:\\d", "x" * 256, "a\0b"])
async def test_a_name_that_is_none_is_refused_and_nothing_kept(
    filed: World, name: str, tmp_path: Path
) -> None:
    with pytest.raises(Refusals):
        await filed.upload(await filed.client(), name)

    assert files_below(tmp_path) == []
    assert await filed.rows("select id from attachment") == []


async def test_a_file_is_found_by_who_sees_what_it_hangs_on(world: World) -> None:
    stage = await board_stage(world)
    task_id, stranger = await stage.task(), world.as_(await world.freelancer())
    file_id = await world.upload(stage.hired.freelancer, content=b"Secret.")

    assert await content(world, await files.find_file(stage.freelancer, file_id)) == b"Secret."
    for other in (stage.client, stranger):
        with pytest.raises(NotFound):
            await files.find_file(other, file_id)
    await task_files.attach(stage.freelancer, task_id, file_id)
    assert await content(world, await files.find_file(stage.client, file_id)) == b"Secret."
    with pytest.raises(NotFound):
        await files.find_file(stranger, file_id)


async def test_what_nobody_holds_is_given_up_in_its_time(filed: World) -> None:
    stage = await board_stage(filed)
    me, task_id, op = stage.hired.client, await stage.task(), filed.as_(await filed.admin())
    held, loose, removed, shared = [
        await filed.upload(me, name, name.encode()) for name in ("held", "loose", "removed", "same")
    ]
    other = await filed.upload(stage.hired.freelancer, "same", b"same")
    for file_id in (held, removed, shared):
        await task_files.attach(stage.client, task_id, file_id)
    await task_files.detach(stage.client, removed)
    rows = {id: await filed.get(Attachment, id) for id in (held, loose, removed, shared, other)}

    filed.clock.move(DAY - timedelta(minutes=1))
    assert await delete_loose_files(op) == 0
    filed.clock.move(timedelta(minutes=1))
    assert await delete_loose_files(op) == 1  # `loose`; the content of `other` is held by `shared`
    assert await content(filed, rows[shared]) == b"same"
    assert await content(filed, rows[removed]) == b"removed"
    filed.clock.move(30 * DAY)
    assert await delete_loose_files(op) == 1

    assert await content(filed, rows[held]) == b"held"
    for file_id in (loose, removed):
        with pytest.raises(FileMissing):
            await content(filed, rows[file_id])
    with pytest.raises(NotFound):
        await files.find_file(stage.client, removed)
    kept = await filed.rows("select name from attachment order by name")
    assert [row.name for row in kept] == ["held", "removed", "same"]


async def test_an_upload_and_its_giving_up_at_once_lose_nothing(filed: World) -> None:
    me, op = await filed.client(), filed.as_(await filed.admin())
    first = await filed.upload(me, "x", b"x" * 1000)
    filed.clock.move(2 * DAY)

    outcomes = await race(
        [delete_loose_files(op), filed.upload(me, "y", b"x" * 1000), delete_loose_files(op)]
    )

    assert isinstance(outcomes[1], UUID), outcomes
    assert await content(filed, await filed.get(Attachment, outcomes[1])) == b"x" * 1000
    assert await filed.rows("select id from attachment where id = :id", id=first) == []


async def test_a_file_that_was_given_up_does_not_come_back(filed: World) -> None:
    stage = await board_stage(filed)
    task_id, file_id = await stage.task(), await filed.upload(stage.hired.client)
    filed.clock.move(2 * DAY)
    await delete_loose_files(filed.as_(await filed.admin()))

    with pytest.raises(NotFound):
        await task_files.attach(stage.client, task_id, file_id)


def test_a_refusal_names_what_to_do() -> None:
    assert "Take some away" in str(FileQuotaReached(limit=10, count=9))
    assert AttachedAlready.code == "ATTACHED_ALREADY"
