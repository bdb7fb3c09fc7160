"""Comments on lines of snippets: where they stand, threads, words, and who is told."""

from collections import Counter
from uuid import UUID

import pytest
import sqlalchemy as sa

from models.errors import NotAllowed, NotFound, Refusals
from models.idempotency import Outcome
from models.ids import encode_id
from models.snippet import MAX_COMMENTS, DeletedSnippetComment, SnippetComment, SnippetFull
from resolvers import snippet_shares, snippet_talk
from tests.resolvers.snippets import Shelf, shelf
from tests.world import World, kinds, race

TEXT = "\n".join(f"line {number}" for number in range(1, 11))


async def notices(made: Shelf, user_id: UUID | None) -> list[tuple[str, str]]:
    rows = await made.world.rows(
        "select kind, reason from notification where user_id = :id and category = 'SNIPPETS' order by created_at, id",
        id=user_id,
    )
    return [(row.kind, row.reason) for row in rows if row.kind != "SnippetOffered"]


# -- lines -------------------------------------------------------------------------------------------------------------------


async def test_comments_move_with_their_lines_and_are_outdated_for_good_where_these_change(
    world: World,
) -> None:
    made = await shelf(world, content=TEXT)
    two, across, ten = [await made.say(first=first, last=last) for first, last in ((2, 2), (5, 7), (10, 10))]
    first = await made.latest()

    await made.revise("new\n" + TEXT.replace("line 6", "line six"))
    moved = await made.places()
    await made.revise("new\n" + TEXT)
    later = await made.places()
    old = await made.say(first=3, last=3, version_id=first)
    gone = await made.say(first=6, last=6, version_id=first)

    assert moved == {two: (3, 3), across: None, ten: (11, 11)}
    assert later == moved
    assert await made.places() == moved | {old: (4, 4), gone: (7, 7)}


async def test_a_comment_on_lines_that_are_gone_already_is_outdated_from_the_beginning(world: World) -> None:
    made = await shelf(world, content=TEXT)
    first = await made.latest()
    await made.revise(TEXT.replace("line 6", "line six"))

    comment_id = await made.say(first=6, last=6, version_id=first)
    answer_id = await made.answer(comment_id)

    assert await made.places() == {comment_id: None, answer_id: None}


@pytest.mark.parametrize(("first", "last"), [(0, 1), (2, 1), (10, 11), (11, 11), (-1, -1)])
async def test_lines_that_are_not_there_are_refused(world: World, first: int, last: int) -> None:
    made = await shelf(world, content=TEXT)
    before = await world.footprint()

    with pytest.raises(Refusals):
        await made.say(first=first, last=last)

    assert await world.footprint() == before


async def test_comments_beside_a_revision_stand_where_their_lines_are(world: World) -> None:
    made = await shelf(world, content=TEXT)
    version_id = await made.latest()

    outcomes = await race([
        made.say(first=3, last=3, version_id=version_id), made.revise(f"new\n{TEXT}"),
        made.say(first=4, last=5, version_id=version_id),
    ])  # fmt: skip

    one, _, other = outcomes
    assert isinstance(one, UUID) and isinstance(other, UUID)
    assert await made.places() == {one: (4, 4), other: (5, 6)}


# -- threads -----------------------------------------------------------------------------------------------------------------


async def test_answers_join_the_thread_and_its_lines(world: World) -> None:
    made = await shelf(world, content=TEXT)
    begun = await made.say(first=2, last=3)
    answer = await made.answer(begun)
    further = await made.answer(answer, op=made.other)

    rows = [await world.get(SnippetComment, id) for id in (begun, answer, further)]

    assert [row.thread_id for row in rows] == [None, begun, begun]
    assert {(row.first_line, row.last_line, row.now_first) for row in rows} == {(2, 3, 2)}


async def test_threads_are_settled_by_who_began_them_or_the_owner(world: World) -> None:
    hired = await world.hired()
    made = await shelf(world, hired=hired)
    mine = await made.say(op=made.owner)
    theirs = await made.say(op=made.other)
    answer = await made.answer(theirs)

    with pytest.raises(NotAllowed):
        await snippet_talk.resolve_thread(made.other, mine)
    receipts = [
        await snippet_talk.resolve_thread(made.owner, answer),
        await snippet_talk.resolve_thread(made.other, theirs),
        await snippet_talk.reopen_thread(made.other, theirs),
        await snippet_talk.reopen_thread(made.owner, answer),
    ]

    assert {receipt.entity_id for receipt in receipts} == {theirs}
    assert [receipt.outcome for receipt in receipts] == [Outcome.APPLIED, Outcome.NOOP] * 2
    assert (await world.get(SnippetComment, theirs)).resolved_by is None
    assert await notices(made, hired.freelancer.user_id) == [
        ("SnippetCommentAnswered", "YOU_SPOKE_IN_IT"),
        ("SnippetThreadSettled", "YOU_SPOKE_IN_IT"),
    ]


async def test_of_two_who_settle_a_thread_at_once_one_does(world: World) -> None:
    made = await shelf(world)
    comment_id = await made.say()

    await race([snippet_talk.resolve_thread(op, comment_id) for op in (made.owner, made.other, made.owner)])

    assert Counter(await made.told())["SnippetThreadResolved"] == 1


# -- words -------------------------------------------------------------------------------------------------------------------

SPOKEN = """query ($id: ID!) { node(id: $id) { ... on SnippetComment { body editedAt deletedAt mentions { name }
    wordings { totalCount nodes { body } } thread { id body } answers { nodes { id body } } } } }"""


async def test_words_are_their_authors_and_earlier_ones_stay_readable(world: World) -> None:
    made = await shelf(world)
    comment_id = await made.say("One")

    with pytest.raises(NotAllowed):
        await snippet_talk.edit_comment(made.owner, comment_id, "Two")
    edited = await snippet_talk.edit_comment(made.other, comment_id, " Two ")
    same = await snippet_talk.edit_comment(made.other, comment_id, "Two")
    spoken = (await world.data(made.hired.client, SPOKEN, id=encode_id("snippetcomment", comment_id)))["node"]

    assert (edited.outcome, same.outcome) == (Outcome.APPLIED, Outcome.NOOP)
    assert spoken["body"] == "Two"
    assert spoken["wordings"] == {"totalCount": 2, "nodes": [{"body": "One"}, {"body": "Two"}]}


async def test_a_deleted_comment_leaves_a_place_and_no_words(world: World) -> None:
    made = await shelf(world)
    comment_id = await made.say("One")
    answer_id = await made.answer(comment_id, "Two")
    public = encode_id("snippetcomment", comment_id)

    with pytest.raises(NotAllowed):
        await snippet_talk.delete_comment(made.other, answer_id)
    await snippet_talk.delete_comment(made.owner, comment_id)
    again = await snippet_talk.delete_comment(made.other, comment_id)
    with pytest.raises(DeletedSnippetComment):
        await snippet_talk.edit_comment(made.other, comment_id, "Three")
    spoken = (await world.data(made.hired.freelancer, SPOKEN, id=public))["node"]

    assert again.outcome is Outcome.NOOP
    assert (spoken["body"], spoken["wordings"]) == (None, {"totalCount": 0, "nodes": []})
    assert spoken["deletedAt"] is not None
    assert [answer["body"] for answer in spoken["answers"]["nodes"]] == ["Two"]


async def test_the_owner_is_told_of_comments_and_who_is_spoken_to_of_that_instead(world: World) -> None:
    made = await shelf(world)
    owner, other = made.hired.client.require_user(), made.hired.freelancer.require_user()

    begun = await made.say(mentions=[owner, other])
    await made.say()
    await made.answer(begun, mentions=[other])
    await made.answer(begun, op=made.other)

    assert await notices(made, owner) == [
        ("SnippetCommentMentioned", "YOU_ARE_MENTIONED"),
        ("SnippetCommentNoticed", "YOU_OWN_IT"),
        ("SnippetCommentAnswered", "YOU_SPOKE_IN_IT"),
    ]
    assert await notices(made, other) == [("SnippetCommentMentioned", "YOU_ARE_MENTIONED")]
    # Whom it concerns is nobody else's business.
    assert not {"SnippetCommentMentioned", "SnippetCommentNoticed"} & set(await made.told())


async def test_who_does_not_see_the_snippet_is_neither_spoken_to_nor_told(world: World) -> None:
    made = await shelf(world)
    begun = await made.say()
    stranger = await world.freelancer()
    with pytest.raises(NotFound):
        await made.say(mentions=[stranger.require_user()])
    await snippet_shares.end_share(made.owner, made.share_id)

    await made.answer(begun)
    await snippet_talk.resolve_thread(made.owner, begun)

    assert await notices(made, made.hired.freelancer.user_id) == []
    with pytest.raises(NotFound):
        await snippet_talk.edit_comment(made.other, begun, "Well.")


async def test_a_snippet_that_is_full_of_words_takes_no_more(world: World) -> None:
    made = await shelf(world)
    comment_id = await made.say()
    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        await tx.execute(_COPIES.bindparams(id=comment_id, count=MAX_COMMENTS - 2))

    outcomes = await race([made.answer(comment_id, op=op) for op in (made.owner, made.other)])

    assert kinds(outcomes) == {"UUID": 1, "SnippetFull": 1}
    assert any(isinstance(outcome, SnippetFull) for outcome in outcomes)


_COPIES = sa.text("""
    insert into snippet_comment
    select gen_random_uuid(), snippet_id, version_id, id, author_id, text_id, first_line, last_line, now_first, now_last,
           created_at from snippet_comment cross join generate_series(1, :count) where id = :id
""").bindparams(sa.bindparam("id", type_=sa.Uuid))
