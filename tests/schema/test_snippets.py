"""Snippets through the API: finding them, comparing them, links, and what a page costs."""

from datetime import timedelta
from typing import Any

import pytest

from auth.viewer import ANONYMOUS
from models.ids import encode_id
from models.snippet import SnippetLanguage
from models.store.sql import counting_statements
from resolvers import snippet_shares, snippets
from tests.resolvers.snippets import keep, shelf
from tests.schema.stage import Stage, key
from tests.schema.two_executors import by_batches, by_plan, difference
from tests.world import World

SEARCH = """query ($where: SnippetWhere, $order: [SnippetOrder!], $first: Int, $after: String) {
    snippets(where: $where, orderBy: $order, first: $first, after: $after) {
        totalCount nodes { title } pageInfo { hasNextPage endCursor } } }"""


async def found(world: World, viewer: Any, **asked: Any) -> list[str]:
    page = (await world.data(viewer, SEARCH, **asked))["snippets"]
    assert page["totalCount"] == len(page["nodes"])
    return [node["title"] for node in page["nodes"]]


async def test_snippets_are_found_by_title_language_owner_and_state_in_any_order(world: World) -> None:
    made = await shelf(world)
    me = made.hired.freelancer
    own = {}
    for title, language in (("Zoë's parser", "RUST"), ("apple_50%", "GO"), ("Parsing", "GO")):
        world.clock.move(timedelta(seconds=1))
        own[title] = await keep(world, me, title=title, language=SnippetLanguage(language))
    world.clock.move(timedelta(seconds=1))
    await snippets.archive_snippet(world.as_(me), own["apple_50%"])

    async def titles(order: list[dict[str, str]] | None = None, **where: Any) -> list[str]:
        return await found(world, me, where=where, order=order)

    assert await titles() == ["apple_50%", "Parsing", "Zoë's parser", "Adding"]
    assert await titles(isMine=False) == ["Adding"]
    assert await titles(isMine=True, isArchived=False) == ["Parsing", "Zoë's parser"]
    assert await titles(title={"contains": "pars"}) == ["Parsing", "Zoë's parser"]
    assert await titles(title={"contains": "_50%"}) == ["apple_50%"]
    assert await titles(language={"in": ["GO", "PYTHON"]}, isArchived=False) == ["Parsing", "Adding"]
    assert await titles(OR=[{"isArchived": True}, {"language": {"eq": "RUST"}}]) == [
        "apple_50%",
        "Zoë's parser",
    ]
    assert await titles([{"field": "LANGUAGE", "direction": "ASC"}, {"field": "CREATED_AT"}], isMine=True) == [
        "Parsing", "apple_50%", "Zoë's parser",
    ]  # fmt: skip
    assert await titles(title={"contains": "nothing like it"}) == []


async def test_pages_go_on_where_the_last_one_ended(world: World) -> None:
    owner = await world.client()
    for number in range(5):
        world.clock.move(timedelta(seconds=1))
        await keep(world, owner, title=f"T{number % 2}")

    titles: list[str] = []
    after = None
    for size in (2, 2, 1):
        asked = {"order": [{"field": "TITLE", "direction": "ASC"}], "first": 2, "after": after}
        page = (await world.data(owner, SEARCH, **asked))["snippets"]
        assert (len(page["nodes"]), page["pageInfo"]["hasNextPage"]) == (size, size == 2)
        after = page["pageInfo"]["endCursor"]
        titles += [node["title"] for node in page["nodes"]]

    assert titles == ["T0", "T0", "T0", "T1", "T1"]


async def test_where_there_is_nothing_lists_are_empty(world: World) -> None:
    owner = await world.client()
    snippet_id = await keep(world, owner)
    document = """query ($id: ID!) { snippet(id: $id) { comments { totalCount nodes { id } } shares { id }
        versions(first: 1) { totalCount } latest { message } } }"""

    assert await found(world, ANONYMOUS) == await found(world, await world.client()) == []
    assert await world.data(owner, document, id=encode_id("snippet", snippet_id)) == {"snippet": {
        "comments": {"totalCount": 0, "nodes": []}, "shares": [], "versions": {"totalCount": 1},
        "latest": {"message": None},
    }}  # fmt: skip


async def test_threads_are_listed_by_what_became_of_them(world: World) -> None:
    made = await shelf(world, content="a\nb\nc")
    kept, gone = await made.say("kept", first=1, last=1), await made.say("gone", first=2, last=2)
    await made.answer(kept, "answer")
    await made.revise("a\nB\nc")
    document = """query ($id: ID!, $where: SnippetCommentWhere) { snippet(id: $id) { comments(where: $where) {
        totalCount nodes { body isOutdated currentFirstLine } } } }"""
    resolve = """mutation ($id: ID!) { snippetCommentResolve(input: {id: $id}) { outcome comment { resolvedBy { name } } } }"""
    resolved = await world.data(made.hired.client, resolve, id=encode_id("snippetcomment", kept))

    async def bodies(**where: bool) -> list[str]:
        shown = await world.data(
            made.hired.freelancer, document, id=encode_id("snippet", made.id), where=where
        )
        return [node["body"] for node in shown["snippet"]["comments"]["nodes"]]

    assert resolved["snippetCommentResolve"] == {
        "outcome": "APPLIED",
        "comment": {"resolvedBy": {"name": "Carla"}},
    }
    assert await bodies() == ["kept", "gone", "answer"]
    assert await bodies(isOutdated=True) == ["gone"]
    assert await bodies(isResolved=True) == ["kept", "answer"]
    assert await bodies(isResolved=False, beginsThread=True) == ["gone"]
    assert gone != kept


# -- comparing ---------------------------------------------------------------------------------------------------------------

DIFF = """query ($from: ID!, $to: ID!) { snippetDiff(from: $from, to: $to) { from { number } to { number } added removed isCoarse
    isCut hunks { oldStart oldCount newStart newCount lines { kind oldNumber newNumber text } } } }"""


async def test_two_versions_are_compared_line_by_line_in_either_direction(world: World) -> None:
    made = await shelf(world, content="a\nb")
    first = encode_id("snippetversion", await made.latest())
    await made.revise("a\nB\nc")
    second = encode_id("snippetversion", await made.latest())

    there = (await world.data(made.hired.freelancer, DIFF, **{"from": first, "to": second}))["snippetDiff"]
    back = (await world.data(made.hired.freelancer, DIFF, **{"from": second, "to": first}))["snippetDiff"]
    same = (await world.data(made.hired.freelancer, DIFF, **{"from": first, "to": first}))["snippetDiff"]

    assert there == {
        "from": {"number": 1}, "to": {"number": 2}, "added": 2, "removed": 1, "isCoarse": False, "isCut": False,
        "hunks": [{"oldStart": 1, "oldCount": 2, "newStart": 1, "newCount": 3, "lines": [
            {"kind": "CONTEXT", "oldNumber": 1, "newNumber": 1, "text": "a"},
            {"kind": "REMOVED", "oldNumber": 2, "newNumber": None, "text": "b"},
            {"kind": "ADDED", "oldNumber": None, "newNumber": 2, "text": "B"},
            {"kind": "ADDED", "oldNumber": None, "newNumber": 3, "text": "c"},
        ]}],
    }  # fmt: skip
    assert (back["added"], back["removed"]) == (1, 2)
    assert (same["added"], same["hunks"]) == (0, [])


async def test_versions_of_two_snippets_are_not_compared(world: World) -> None:
    made, other = await shelf(world), await shelf(world)
    mine = encode_id("snippetversion", await made.latest())
    theirs = encode_id("snippetversion", await other.latest())
    another = await keep(world, made.hired.client)
    rows = await world.rows("select latest_id from snippet where id = :id", id=another)

    hidden = await world.graphql(made.hired.client, DIFF, **{"from": mine, "to": theirs})
    strange = await world.graphql(
        made.hired.client, DIFF, **{"from": mine, "to": encode_id("snippetversion", rows[0].latest_id)}
    )

    assert hidden["data"] == {"snippetDiff": None}
    assert [e["extensions"]["code"] for e in strange["errors"]] == ["BAD_USER_INPUT"]


# -- links -------------------------------------------------------------------------------------------------------------------

BY_LINK = """mutation ($input: SnippetShareByLinkInput!) { snippetShareByLink(input: $input) { outcome token
    share { kind expiresAt contract { id } } errors { code } } }"""


async def test_a_token_is_shown_once_and_never_again(world: World) -> None:
    made = await shelf(world)
    moment = (world.clock() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    wanted = {"id": encode_id("snippet", made.id), "expiresAt": moment, "idempotencyKey": "one"}

    answers = [
        (await world.data(made.hired.client, BY_LINK, input=wanted))["snippetShareByLink"] for _ in range(2)
    ]

    assert [answer["outcome"] for answer in answers] == ["APPLIED", "REPLAYED"]
    assert (len(answers[0]["token"]), answers[1]["token"]) == (43, None)
    assert (
        answers[0]["share"] == answers[1]["share"] == {"kind": "LINK", "expiresAt": moment, "contract": None}
    )


async def test_both_executors_answer_the_same_by_a_link_and_of_a_difference(stage: Stage) -> None:
    scene = await stage.shelved()
    await snippets.revise_snippet(
        stage.as_("hired"), key(scene.snippet), content="dry()", message=None, expected_version=None
    )
    latest = await stage.world.rows("select latest_id from snippet where id = :id", id=key(scene.snippet))
    document = f"""{{ sharedSnippet(token: "{scene.token}") {{ title language number content sha256 lineCount createdAt }}
        snippetDiff(from: "{scene.snippetversion}", to: "{encode_id("snippetversion", latest[0].latest_id)}") {{
            added from {{ content author {{ name }} }} to {{ number }} hunks {{ lines {{ kind text }} }} }} }}"""

    for name in ("anonymous", "owner", "hired", "admin"):
        planned, batched = [
            await executor(stage.world, document, None, stage[name]) for executor in (by_plan, by_batches)
        ]
        assert difference(planned, batched) is None
        assert planned["data"]["sharedSnippet"]["content"] == "dry()"


@pytest.mark.parametrize(
    "field", ['sharedSnippet(token: "x") { title }', 'snippetDiff(from: "%s", to: "%s") { added }']
)
async def test_guessing_and_comparing_are_dear(world: World, field: str) -> None:
    made = await shelf(world)
    version = encode_id("snippetversion", await made.latest())
    field = field % (version, version) if "%" in field else field
    document = "{ rateLimit(dryRun: true) { requested } %s }"

    requested = [
        (await world.data(made.hired.client, document % " ".join(f"a{n}: {field}" for n in range(times))))["rateLimit"]["requested"]
        for times in (1, 2)
    ]  # fmt: skip

    assert requested[1] - requested[0] >= 50


# -- statements --------------------------------------------------------------------------------------------------------------

PAGE = """{ snippets(first: 20) { totalCount nodes { title language owner { name } latest { number sha256 author { name } }
    comments(first: 5) { totalCount nodes { isOutdated author { name } } } shares { kind } } } }"""
CODE = """query ($id: ID!) { snippet(id: $id) { title streamCursor latest { content }
    comments { nodes { body wordings { nodes { body } } } } viewer { can } } }"""


async def test_a_page_of_snippets_is_one_statement_however_many_there_are(world: World) -> None:
    made, taken = await shelf(world), []
    owner = made.hired.client
    await made.say()
    await world.data(owner, PAGE)

    for _ in range(2):
        with counting_statements() as statements:
            shown = (await world.data(owner, PAGE))["snippets"]
        taken.append((dict(statements), shown["totalCount"]))
        for number in range(3):
            await keep(world, owner, title=str(number))

    assert taken == [({"select": 1}, 1), ({"select": 1}, 4)]


async def test_words_are_read_at_once_for_all_rows_of_a_field(world: World) -> None:
    made = await shelf(world)
    begun = await made.say()
    public, taken = encode_id("snippet", made.id), []
    await world.data(made.hired.client, CODE, id=public)

    for _ in range(2):
        with counting_statements() as statements:
            shown = (await world.data(made.hired.client, CODE, id=public))["snippet"]
        taken.append((dict(statements), len(shown["comments"]["nodes"])))
        for _ in range(3):
            await made.answer(begun)

    # The rows; the code, the bodies, the wordings, and what can be done: keys are known.
    assert taken == [({"select": 5}, 1), ({"select": 5}, 4)]


async def test_a_link_is_one_statement_whether_it_leads_anywhere_or_not(world: World) -> None:
    made = await shelf(world)
    _, token = await snippet_shares.share_by_link(
        made.owner, made.id, expires_at=world.clock() + timedelta(days=1)
    )
    document = "query ($token: String!) { sharedSnippet(token: $token) { content } }"
    await world.data(ANONYMOUS, document, token=token)
    taken = []

    for asked in (token, "x" * 43):
        with counting_statements() as statements:
            await world.data(ANONYMOUS, document, token=asked)
        taken.append(dict(statements))

    assert taken == [{"select": 1}, {"select": 1}]
