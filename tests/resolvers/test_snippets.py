"""Snippets: versions, names, shares, what is submitted, and races."""

from datetime import timedelta
from hashlib import sha256
from uuid import UUID

import pytest
import sqlalchemy as sa

from auth.viewer import ANONYMOUS
from models.errors import Invalid, NotAllowed, NotFound, Refusals, StaleVersion
from models.idempotency import Outcome
from models.ids import encode_id, new_id
from models.snippet import (
    MAX_BYTES,
    MAX_LINES,
    MAX_VERSIONS,
    ArchivedSnippet,
    SnippetFull,
    SnippetLanguage,
    SnippetShare,
)
from models.store.sql import Receipt
from resolvers import contracts, snippet_shares, snippets
from resolvers.snippets import NamedVersion
from tests.resolvers.snippets import CODE, keep, shelf
from tests.world import World, kinds, race

_SET_LATEST = sa.text("update snippet set latest_number = :number where id = :id").bindparams(
    sa.bindparam("id", type_=sa.Uuid)
)
VERSIONS = """query ($id: ID!) { snippet(id: $id) { title language version
    versions { nodes { number content sha256 sizeBytes lineCount message author { name } } } } }"""


async def test_versions_are_kept_to_the_byte_with_their_hashes(world: World) -> None:
    owner = await world.client("Olga")
    content = "\ufeffa\r\n\tb \u0301 Zoë \U0001f600\n"
    snippet_id = await keep(world, owner, content)
    await snippets.revise_snippet(
        world.as_(owner), snippet_id, content=content + "c", message=" Add c. ", expected_version=1
    )

    shown = (await world.data(owner, VERSIONS, id=encode_id("snippet", snippet_id)))["snippet"]

    first, second = sha256(content.encode()).hexdigest(), sha256((content + "c").encode()).hexdigest()
    assert shown == {
        "title": "Adding", "language": "PYTHON", "version": 2,
        "versions": {"nodes": [
            {"number": 2, "content": content + "c", "sha256": second, "sizeBytes": len(content.encode()) + 1,
             "lineCount": 3, "message": "Add c.", "author": {"name": "Olga"}},
            {"number": 1, "content": content, "sha256": first, "sizeBytes": len(content.encode()), "lineCount": 3,
             "message": None, "author": {"name": "Olga"}},
        ]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "constraint"),
    [
        ("", "BYTES"),
        ("x" * (MAX_BYTES + 1), "BYTES"),
        ("ë" * (MAX_BYTES // 2) + "x", "BYTES"),
        ("\n" * MAX_LINES, "LINES"),
        ("a\0b", "PRINTABLE"),
        ("a\ud800b", "PRINTABLE"),
    ],
)
async def test_a_content_that_cannot_be_kept_is_refused(world: World, content: str, constraint: str) -> None:
    owner = await world.client()
    snippet_id = await keep(world, owner)
    before = await world.footprint()

    for act in (
        keep(world, owner, content),
        snippets.revise_snippet(
            world.as_(owner), snippet_id, content=content, message=None, expected_version=None
        ),
    ):
        with pytest.raises(Refusals) as refused:
            await act
        (refusal,) = refused.value.refusals
        assert isinstance(refusal, Invalid)
        assert (refusal.path, refusal.constraint) == (("content",), constraint)
    assert await world.footprint() == before


async def test_the_largest_content_is_kept(world: World) -> None:
    owner = await world.client()

    await keep(world, owner, "ë" * (MAX_BYTES // 2))
    await keep(world, owner, "\n" * (MAX_LINES - 1))


async def test_the_same_content_once_more_changes_nothing(world: World) -> None:
    made = await shelf(world, may_revise=True)

    outcomes = [(await made.revise(CODE, op=op)).outcome for op in (made.owner, made.other)]

    assert outcomes == [Outcome.NOOP, Outcome.NOOP]
    assert await made.told() == ["SnippetCreated", "SnippetShared"]


async def test_of_two_revisions_of_one_version_one_is_refused(world: World) -> None:
    made = await shelf(world, may_revise=True)

    outcomes = await race(
        [
            made.revise(f"{CODE}# {name}\n", op=op, expected_version=1)
            for name, op in (("one", made.owner), ("two", made.other), ("three", made.owner))
        ]
    )

    assert kinds(outcomes) == {"Receipt": 1, "StaleVersion": 2}
    assert await made.told() == ["SnippetCreated", "SnippetShared", "SnippetRevised"]


async def test_revisions_that_race_without_a_version_are_all_kept_and_move_comments_each(
    world: World,
) -> None:
    made = await shelf(world, may_revise=True)
    comment_id = await made.say(first=5, last=5)

    outcomes = await race([made.revise(f"# {number}\n{CODE}") for number in range(6)])

    assert kinds(outcomes) == {"Receipt": 6}
    numbers = await world.rows(
        "select number from snippet_version where snippet_id = :id order by number", id=made.id
    )
    assert [row.number for row in numbers] == [1, 2, 3, 4, 5, 6, 7]
    # The first one put a line before it, the others exchanged that line.
    assert await made.places() == {comment_id: (6, 6)}


async def test_a_snippet_that_is_full_takes_no_version_more(world: World) -> None:
    made = await shelf(world)
    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        await tx.execute(_SET_LATEST.bindparams(id=made.id, number=MAX_VERSIONS))

    with pytest.raises(SnippetFull):
        await made.revise("other")


async def test_others_read_and_revise_only_what_a_share_lets_them(world: World) -> None:
    made = await shelf(world)
    before = await world.footprint()

    with pytest.raises(NotAllowed):
        await made.revise("other", op=made.other)
    with pytest.raises(NotFound):
        await made.revise("other", op=world.as_(await world.freelancer()))
    for act in (
        snippets.rename_snippet(made.other, made.id, {"title": "Mine"}, expected_version=None),
        snippets.archive_snippet(made.other, made.id),
        snippet_shares.share_with_contract(made.other, made.id, made.hired.contract_id, may_revise=True),
        snippet_shares.share_by_link(made.other, made.id, expires_at=world.clock() + timedelta(days=1)),
        snippet_shares.end_share(made.other, made.share_id),
    ):
        with pytest.raises(NotAllowed):
            await act
    assert (await world.footprint()) - before == {
        "users": 1,
        "freelancer_profile": 1,
        "session": 1,
        "refresh_token": 1,
    }

    changed = await snippet_shares.share_with_contract(
        made.owner, made.id, made.hired.contract_id, may_revise=True
    )
    receipt = await made.revise("other", op=made.other)

    assert (changed.outcome, changed.entity_id, receipt.outcome) == (
        Outcome.APPLIED,
        made.share_id,
        Outcome.APPLIED,
    )


async def test_names_change_and_archived_snippets_rest(world: World) -> None:
    made = await shelf(world)

    renamed = await snippets.rename_snippet(
        made.owner, made.id, {"title": " Sum ", "language": SnippetLanguage.GO}, expected_version=1
    )
    same = await snippets.rename_snippet(made.owner, made.id, {"title": "Sum"}, expected_version=2)
    with pytest.raises(StaleVersion):
        await snippets.rename_snippet(made.owner, made.id, {"title": "Total"}, expected_version=1)
    await snippets.archive_snippet(made.owner, made.id)
    again = await snippets.archive_snippet(made.owner, made.id)
    for act in (
        made.revise("other"),
        snippets.rename_snippet(made.owner, made.id, {"title": "Total"}, expected_version=None),
        made.say(),
        snippet_shares.share_by_link(made.owner, made.id, expires_at=world.clock() + timedelta(days=1)),
    ):
        with pytest.raises(ArchivedSnippet):
            await act
    await snippets.restore_snippet(made.owner, made.id)
    await made.revise("other")

    assert [r.outcome for r in (renamed, same, again)] == [Outcome.APPLIED, Outcome.NOOP, Outcome.NOOP]
    rows = await world.rows(
        "select payload -> 'changes' as changes from fact where stream = :stream and kind = 'SnippetRenamed'",
        stream=f"snippet:{made.id}",
    )
    # A title is somebody's words: facts do not hold it.
    assert [row.changes for row in rows] == [{"title": [None, None], "language": ["PYTHON", "GO"]}]


# -- shares ------------------------------------------------------------------------------------------------------------------


async def test_a_share_tells_the_other_side_once_and_ends_their_sight(world: World) -> None:
    made = await shelf(world)
    document = "query ($id: ID!) { snippet(id: $id) { id } snippets { totalCount } }"
    public = encode_id("snippet", made.id)

    seen = await world.data(made.hired.freelancer, document, id=public)
    same = await snippet_shares.share_with_contract(
        made.owner, made.id, made.hired.contract_id, may_revise=False
    )
    ended = await snippet_shares.end_share(made.owner, made.share_id)
    again = await snippet_shares.end_share(made.owner, made.share_id)

    assert seen == {"snippet": {"id": public}, "snippets": {"totalCount": 1}}
    assert [r.outcome for r in (same, ended, again)] == [Outcome.NOOP, Outcome.APPLIED, Outcome.NOOP]
    assert await world.data(made.hired.freelancer, document, id=public) == {
        "snippet": None, "snippets": {"totalCount": 0},
    }  # fmt: skip
    told = await world.rows(
        "select kind, reason from notification where user_id = :id and category = 'SNIPPETS'",
        id=made.hired.freelancer.user_id,
    )
    assert [tuple(row) for row in told] == [("SnippetOffered", "YOU_ARE_GIVEN_IT")]


async def test_a_snippet_is_shared_with_contracts_of_ones_own_only(world: World) -> None:
    made, others = await shelf(world), await world.hired()
    admin = await world.admin()
    own = await keep(world, admin)

    with pytest.raises(NotFound):
        await snippet_shares.share_with_contract(made.owner, made.id, others.contract_id, may_revise=False)
    with pytest.raises(NotAllowed):
        await snippet_shares.share_with_contract(world.as_(admin), own, others.contract_id, may_revise=False)


SHARED = "query ($token: String!) { sharedSnippet(token: $token) { title language number content sha256 lineCount } }"


async def test_a_link_shows_the_newest_version_to_anybody_until_it_expires(world: World) -> None:
    made = await shelf(world)
    _, token = await snippet_shares.share_by_link(
        made.owner, made.id, expires_at=world.clock() + timedelta(hours=1)
    )
    await made.revise("newer")

    shown = await world.data(ANONYMOUS, SHARED, token=token)
    unknown = await world.data(ANONYMOUS, SHARED, token=token[:-1] + ("A" if token[-1] != "A" else "B"))
    odd = await world.data(ANONYMOUS, SHARED, token="é\U0001f600")
    long = await world.data(ANONYMOUS, SHARED, token=token + "A" * 10_000)
    world.clock.move(timedelta(hours=1))
    expired = await world.data(ANONYMOUS, SHARED, token=token)

    digest = sha256(b"newer").hexdigest()
    assert shown == {"sharedSnippet": {
        "title": "Adding", "language": "PYTHON", "number": 2, "content": "newer", "sha256": digest, "lineCount": 1,
    }}  # fmt: skip
    assert unknown == odd == long == expired == {"sharedSnippet": None}


async def test_of_a_token_only_the_hash_is_kept(world: World) -> None:
    made = await shelf(world)

    receipt, token = await snippet_shares.share_by_link(
        made.owner, made.id, expires_at=world.clock() + timedelta(days=365)
    )

    share = await world.get(SnippetShare, receipt.entity_id)
    assert len(token) >= 43
    assert share.token_hash == sha256(token.encode()).digest()
    facts = await world.rows(
        "select cast(payload as text) as text from fact where payload::text like :token", token=f"%{token}%"
    )
    assert facts == []


@pytest.mark.parametrize("after", [timedelta(0), timedelta(days=365, seconds=1)])
async def test_a_link_lives_for_a_year_at_most(world: World, after: timedelta) -> None:
    made = await shelf(world)

    with pytest.raises(Refusals):
        await snippet_shares.share_by_link(made.owner, made.id, expires_at=world.clock() + after)


async def test_a_link_that_is_revoked_beside_reads_shows_all_or_nothing_and_then_nothing(
    world: World,
) -> None:
    made = await shelf(world)
    receipt, token = await snippet_shares.share_by_link(
        made.owner, made.id, expires_at=world.clock() + timedelta(days=1)
    )
    anybody = world.as_(ANONYMOUS)

    async def read() -> str | None:
        found = await snippets.read_by_link(anybody, token)
        return None if found is None else found.content

    outcomes = await race(
        [read(), read(), snippet_shares.end_share(made.owner, receipt.entity_id), read(), read()]
    )

    assert isinstance(outcomes.pop(2), Receipt)
    assert set(outcomes) <= {CODE, None}
    assert await read() is None


async def test_a_share_that_ends_beside_a_revision_lets_it_through_before_or_not_at_all(world: World) -> None:
    made = await shelf(world, may_revise=True)

    revised, ended = await race(
        [made.revise("theirs", op=made.other), snippet_shares.end_share(made.owner, made.share_id)]
    )

    assert isinstance(ended, Receipt)
    # Seen before the end, and not allowed any more behind it; or not even seen.
    assert isinstance(revised, Receipt | NotFound | NotAllowed)
    told = (await made.told())[2:]
    # Whatever they did was before the end.
    assert told == (["SnippetRevised"] if isinstance(revised, Receipt) else []) + ["SnippetShareEnded"]
    with pytest.raises(NotFound):
        await made.revise("more", op=made.other)


# -- submitted with work -------------------------------------------------------------------------------------------------------

SUBMITTED = """query ($id: ID!) { contract(id: $id) { submittedSnippets { submission
    version { number content snippet { id } } } } }"""


async def version_of(world: World, snippet_id: UUID) -> NamedVersion:
    rows = await world.rows(
        "select v.id, v.sha256 from snippet s join snippet_version v on v.id = s.latest_id where s.id = :id",
        id=snippet_id,
    )
    return NamedVersion(rows[0].id, rows[0].sha256)


async def test_what_is_submitted_both_sides_see_for_ever_and_nothing_else_of_it(world: World) -> None:
    hired = await world.hired()
    worker = world.as_(hired.freelancer)
    snippet_id = await keep(world, hired.freelancer, "handed in")
    named = await version_of(world, snippet_id)
    await snippets.revise_snippet(worker, snippet_id, content="later", message=None, expected_version=None)

    await contracts.submit_work(worker, hired.contract_id, note=None, snippets=[named])
    await contracts.request_changes(world.as_(hired.client), hired.contract_id, note="More.")
    latest = await version_of(world, snippet_id)
    await contracts.submit_work(worker, hired.contract_id, note=None, snippets=[named, latest])
    contract = encode_id("contract", hired.contract_id)
    seen = (await world.data(hired.client, SUBMITTED, id=contract))["contract"]["submittedSnippets"]
    mine = (await world.data(hired.freelancer, SUBMITTED, id=contract))["contract"]["submittedSnippets"]

    old, new = (
        {"number": number, "content": content, "snippet": None}
        for number, content in ((1, "handed in"), (2, "later"))
    )
    assert [item["version"] for item in seen] == [old, old, new]
    assert [item["submission"] for item in seen] == [2, 4, 4]
    assert [item["version"]["snippet"] for item in mine] == [{"id": encode_id("snippet", snippet_id)}] * 3
    document = "query ($id: ID!) { node(id: $id) { id } }"
    hidden = await world.data(hired.client, document, id=encode_id("snippet", snippet_id))
    strange = await world.data(
        await world.client(), document, id=encode_id("snippetversion", named.version_id)
    )
    assert hidden == strange == {"node": None}


@pytest.mark.parametrize("what", ["somebody else's", "none", "another hash", "twice"])
async def test_what_cannot_be_submitted_leaves_the_work_where_it_was(world: World, what: str) -> None:
    hired = await world.hired()
    worker = world.as_(hired.freelancer)
    own = await version_of(world, await keep(world, hired.freelancer))
    strange = await version_of(world, await keep(world, hired.client))
    named = {
        "somebody else's": [own, strange],
        "none": [NamedVersion(new_id(), own.sha256)],
        "another hash": [NamedVersion(own.version_id, "0" * 64)],
        "twice": [own, own],
    }[what]
    before = await world.footprint()

    with pytest.raises(
        NotFound if what in {"somebody else's", "none"} else Invalid if what == "another hash" else Refusals
    ):
        await contracts.submit_work(worker, hired.contract_id, note="Done.", snippets=named)

    assert await world.footprint() == before


async def test_administrators_read_no_snippets(world: World) -> None:
    made = await shelf(world)
    admin = await world.admin()
    document = """query ($id: ID!, $version: ID!) { snippet(id: $id) { id } snippets { totalCount }
        node(id: $version) { id } snippetDiff(from: $version, to: $version) { added } }"""

    seen = await world.data(
        admin,
        document,
        id=encode_id("snippet", made.id),
        version=encode_id("snippetversion", await made.latest()),
    )

    assert seen == {"snippet": None, "snippets": {"totalCount": 0}, "node": None, "snippetDiff": None}
