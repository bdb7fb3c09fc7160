"""What hangs on tasks: checklists, and comments with threads, mentions and reactions."""

from datetime import date
from uuid import UUID

import pytest

from models.errors import NotAllowed, NotFound, Refusals
from models.idempotency import Outcome
from models.ids import encode_id
from models.task import ArchivedTask, DeletedComment, TaskComment, TaskIsFull, TaskRelationKind
from resolvers import task_talk, tasks
from tests.resolvers.boards import Stage, board_stage
from tests.world import Hired, World


async def said(stage: Stage, task_id: UUID, body: str, **how: object) -> UUID:
    wanted = {"answers_id": None, "mentions": [], **how}
    receipt, _ = await task_talk.add_comment(stage.client, task_id, body, **wanted)  # type: ignore[arg-type]
    return receipt.entity_id


async def notified(world: World, hired: Hired) -> list[tuple[str, str]]:
    rows = await world.rows(
        "select kind, reason from notification where user_id = :id and category = 'TASKS' order by created_at, id",
        id=hired.freelancer.user_id,
    )
    return [(row.kind, row.reason) for row in rows]


async def test_those_spoken_to_watching_and_assigned_are_told_once_each(world: World) -> None:
    stage = await board_stage(world)
    me = stage.hired.freelancer.user_id
    a, b = await stage.task("a", assignee_ids=[me]), await stage.task("b")
    await tasks.watch_task(stage.freelancer, b, is_on=True)

    await said(stage, a, "Well?", mentions=[me])
    await said(stage, b, "And this?")
    await tasks.watch_task(stage.freelancer, b, is_on=False)
    await said(stage, b, "Never mind.")

    assert await notified(world, stage.hired) == [
        ("TaskAssigned", "YOU_ARE_ASSIGNED"),
        ("CommentMentioned", "YOU_ARE_MENTIONED"),
        ("CommentNoticed", "YOU_WATCH_IT"),
    ]
    # Whom it concerns is nobody else's business.
    assert {"CommentMentioned", "CommentNoticed"}.isdisjoint(await stage.told())


async def test_an_answer_to_an_answer_is_in_the_same_thread(world: World) -> None:
    stage = await board_stage(world)
    task_id = await stage.task()
    first = await said(stage, task_id, "One")
    second = await said(stage, task_id, "Two", answers_id=first)
    third = await said(stage, task_id, "Three", answers_id=second)

    threads = [(await world.get(TaskComment, id)).thread_id for id in (first, second, third)]

    assert threads == [None, first, first]
    with pytest.raises(NotFound):
        await said(stage, await stage.task("other"), "Lost", answers_id=first)


async def test_words_are_their_authors_and_the_client_may_take_them_away(world: World) -> None:
    stage = await board_stage(world)
    task_id = await stage.task()
    receipt, _ = await task_talk.add_comment(stage.freelancer, task_id, "Hm", answers_id=None, mentions=[])
    comment_id = receipt.entity_id

    with pytest.raises(NotAllowed):
        await task_talk.edit_comment(stage.client, comment_id, "Yes")
    await task_talk.edit_comment(stage.freelancer, comment_id, "Hm!")
    mine = await said(stage, task_id, "Mine")
    with pytest.raises(NotAllowed):
        await task_talk.delete_comment(stage.freelancer, mine)
    _, act = await task_talk.delete_comment(stage.client, comment_id)
    with pytest.raises(DeletedComment):
        await task_talk.edit_comment(stage.freelancer, comment_id, "Hm?")
    await stage.undo(act)

    comment = await world.get(TaskComment, comment_id)
    versions = await world.rows(
        "select body from board_text where subject_id = :id order by created_at, id", id=comment_id
    )
    assert (comment.body, comment.deleted_at, [row.body for row in versions]) == ("Hm!", None, ["Hm", "Hm!"])


async def test_a_reaction_is_there_once_and_taken_back_by_its_owner(world: World) -> None:
    stage = await board_stage(world)
    comment_id = await said(stage, await stage.task(), "Done")

    outcomes = [
        (await task_talk.react(stage.freelancer, comment_id, "👍", is_on=is_on))[0].outcome
        for is_on in (True, True, False, False)
    ]
    with pytest.raises(Refusals):
        await task_talk.react(stage.freelancer, comment_id, "ok", is_on=True)

    assert outcomes == [Outcome.APPLIED, Outcome.NOOP, Outcome.APPLIED, Outcome.NOOP]


async def test_a_checklist_and_its_lines_come_back_when_undone(world: World) -> None:
    stage = await board_stage(world)
    me = stage.hired.freelancer.user_id
    receipt, _ = await task_talk.add_checklist(stage.client, await stage.task(), "Steps")
    item, _ = await task_talk.add_item(
        stage.client, receipt.entity_id, {"text": "One", "assignee_id": me, "due_on": date(2027, 1, 1)}
    )
    _, ticked = await task_talk.edit_item(
        stage.freelancer, item.entity_id, {"is_done": True, "due_on": None, "text": "First"}
    )

    await stage.undo(ticked, by=stage.hired.freelancer)

    rows = await world.rows(
        "select text, is_done, due_on, assignee_id from task_checklist_item where id = :id", id=item.entity_id
    )
    assert tuple(rows[0]) == ("One", False, date(2027, 1, 1), me)
    with pytest.raises(NotFound):
        await task_talk.edit_item(stage.client, item.entity_id, {"assignee_id": stage.id})
    _, removed = await task_talk.remove_checklist(stage.client, receipt.entity_id)
    with pytest.raises(NotFound):
        await task_talk.add_item(stage.client, receipt.entity_id, {"text": "Two"})
    await stage.undo(removed)
    await task_talk.add_item(stage.client, receipt.entity_id, {"text": "Two"})


async def test_a_line_given_to_somebody_is_told_by_their_public_id(world: World) -> None:
    stage = await board_stage(world)
    me = stage.hired.freelancer.require_user()
    checklist, _ = await task_talk.add_checklist(stage.client, await stage.task(), "Before painting")
    line, _ = await task_talk.add_item(stage.client, checklist.entity_id, {"text": "Tape"})

    await task_talk.edit_item(stage.client, line.entity_id, {"assignee_id": me})

    rows = await world.rows(
        "select payload from fact where kind = 'ChecklistItemEdited' and stream = :stream",
        stream=f"board:{stage.id}",
    )
    assert rows[-1].payload["changes"] == {"assignee": [None, encode_id("person", me)]}


async def test_nothing_that_hangs_on_an_archived_task_changes(world: World) -> None:
    stage = await board_stage(world)
    op, a, b = stage.client, await stage.task("a"), await stage.task("b")
    checklist = (await task_talk.add_checklist(op, a, "Steps"))[0].entity_id
    item = (await task_talk.add_item(op, checklist, {"text": "One"}))[0].entity_id
    comment = await said(stage, a, "Well?")
    await task_talk.react(op, comment, "👍", is_on=True)
    await tasks.relate_tasks(op, a, b, TaskRelationKind.RELATES, is_on=True)
    await tasks.watch_task(op, a, is_on=True)
    await tasks.archive_task(op, a)
    told = await stage.told()

    for about, act in (
        (a, task_talk.add_checklist(op, a, "More")),
        (checklist, task_talk.remove_checklist(op, checklist)),
        (checklist, task_talk.add_item(op, checklist, {"text": "Two"})),
        (item, task_talk.edit_item(op, item, {"is_done": True})),
        (item, task_talk.remove_item(op, item)),
        (a, task_talk.add_comment(op, a, "So?", answers_id=None, mentions=[])),
        (comment, task_talk.edit_comment(op, comment, "Well.")),
        (comment, task_talk.delete_comment(op, comment)),
        (comment, task_talk.react(op, comment, "🎉", is_on=True)),
        (comment, task_talk.react(op, comment, "👍", is_on=False)),
        (a, tasks.relate_tasks(op, a, b, TaskRelationKind.BLOCKS, is_on=True)),
        (a, tasks.relate_tasks(op, a, b, TaskRelationKind.RELATES, is_on=False)),
        (a, tasks.watch_task(stage.freelancer, a, is_on=True)),
        (a, tasks.watch_task(op, a, is_on=False)),
    ):
        with pytest.raises(ArchivedTask) as refused:
            await act
        assert refused.value.entity_id == about

    assert await stage.told() == told
    watching = await world.rows("select user_id from task_watcher where task_id = :id", id=a)
    assert [row.user_id for row in watching] == [stage.hired.client.user_id]
    await tasks.restore_task(op, a, column_id=None)
    await task_talk.edit_item(op, item, {"is_done": True})


async def test_what_comes_back_by_undo_needs_room_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = await board_stage(world)
    op, a = stage.client, await stage.task("a")
    monkeypatch.setattr(task_talk, "MAX_CHECKLISTS", 1)
    monkeypatch.setattr(task_talk, "MAX_ITEMS", 1)
    first = (await task_talk.add_checklist(op, a, "Steps"))[0].entity_id
    one = (await task_talk.add_item(op, first, {"text": "One"}))[0].entity_id
    _, item_gone = await task_talk.remove_item(op, one)
    await task_talk.add_item(op, first, {"text": "Two"})

    with pytest.raises(TaskIsFull, match="items on a checklist"):
        await stage.undo(item_gone)

    _, list_gone = await task_talk.remove_checklist(op, first)
    await task_talk.add_checklist(op, a, "Others")
    with pytest.raises(TaskIsFull, match="checklists"):
        await stage.undo(list_gone)
