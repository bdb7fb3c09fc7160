"""Facts that no store may hold, and how facts become messages."""

import ast
import asyncio
from dataclasses import replace
from datetime import datetime
from itertools import permutations

import pytest

from models.chat import ChatDraft, ChatFact, ChatKind, digest_of, fold
from models.ids import new_id
from models.store.chat import Appended
from models.store.chat_mongo import INDEXES, PRIMARY, QUESTIONS, MongoChatStore, Question
from tests.architecture.test_rooms import ROOT, calls_in
from tests.contracts.conftest import about, sent, words


@pytest.mark.parametrize(
    "changes",
    [
        {"message_id": new_id()},
        {"sealed": None},
        {"reaction": "👍"},
        {"client_id": ""},
        {"client_id": "x" * 201},
        {"client_id": "\0"},
        {"client_id": "\ud800"},
        {"kind": ChatKind.DELETED},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_draft_that_no_store_may_hold_is_refused(changes: dict[str, object]) -> None:
    draft = sent(new_id())

    with pytest.raises(ValueError, match=r"missing|kept|its own message|encode"):
        replace(draft, **changes)  # type: ignore[arg-type]


def test_times_are_cut_to_what_every_store_keeps() -> None:
    draft = sent(new_id(), at=datetime.fromisoformat("2026-11-22T12:00:00.999999+00:00"))

    assert draft.at == datetime.fromisoformat("2026-11-22T12:00:00.999+00:00")


def test_facts_fold_the_same_in_whatever_order_they_are_read() -> None:
    message = sent(new_id())
    friend = new_id()
    facts = [
        ChatFact.of(message, seq=1),
        ChatFact.of(about(message, ChatKind.EDITED, text="better"), seq=2),
        ChatFact.of(about(message, ChatKind.REACTED, reaction="👍", author_id=friend), seq=3),
        ChatFact.of(about(message, ChatKind.UNREACTED, reaction="👍", author_id=friend), seq=4),
        ChatFact.of(about(message, ChatKind.PINNED), seq=5),
    ]

    folded = [fold(order) for order in permutations(facts)]

    assert all(one == folded[0] for one in folded)
    assert folded[0][0].words == facts[1]
    assert (folded[0][0].reactions, folded[0][0].pinned_by) == ({}, message.author_id)


def test_facts_about_a_message_that_was_not_read_are_passed_over() -> None:
    message = sent(new_id())

    assert fold([ChatFact.of(about(message, ChatKind.PINNED), seq=2)]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 2},
        {"room_id": new_id()},
        {"author_id": new_id()},
        {"client_id": "other"},
        {"sealed": words("othes")},
        {"sealed": replace(words("words"), nonce=b"another nonc")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_hash_of_facts_tells_every_part(change: dict[str, object]) -> None:
    fact = ChatFact.of(sent(new_id(), "words"), seq=1)

    assert digest_of([fact]) == digest_of([replace(fact)])
    assert digest_of([fact]) != digest_of([replace(fact, **change)])  # type: ignore[arg-type]


# -- taking turns ------------------------------------------------------------------------------------------------------


class SlowLog(MongoChatStore):
    """Whose tries wait for whoever holds it up."""

    def __init__(self) -> None:
        super().__init__("mongodb://localhost")
        self.may_go = asyncio.Event()
        self.tries: list[str] = []

    async def _try(self, draft: ChatDraft) -> Appended | None:
        self.tries.append(draft.client_id)
        await self.may_go.wait()
        return Appended(ChatFact.of(draft, seq=1), is_repeat=False)


async def test_who_repeats_while_the_first_is_under_way_takes_no_turn_of_their_own() -> None:
    log, first, other = SlowLog(), sent(new_id()), sent(new_id())
    tries = [asyncio.create_task(log.append_fact(draft)) for draft in [first] * 20 + [other]]
    await asyncio.sleep(0)

    log.may_go.set()
    *appended, another = await asyncio.gather(*tries)

    assert sorted(log.tries) == sorted([first.client_id, other.client_id])
    assert [one.is_repeat for one in appended] == [False] + [True] * 19
    assert {one.fact for one in appended} == {ChatFact.of(first, seq=1)}
    assert not another.is_repeat


async def test_who_waited_for_one_that_was_given_up_tries_for_themselves() -> None:
    log, draft = SlowLog(), sent(new_id())
    first, second = (asyncio.create_task(log.append_fact(draft)) for _ in range(2))
    await asyncio.sleep(0)

    first.cancel()
    log.may_go.set()

    assert not (await second).is_repeat
    assert log.tries == [draft.client_id] * 2


# -- every question that MongoDB is asked has an index that answers it -------------------------------------------------


@pytest.mark.parametrize(("name", "question"), list(QUESTIONS.items()), ids=list(QUESTIONS))
def test_a_question_is_answered_by_the_beginning_of_its_index(name: str, question: Question) -> None:
    index = PRIMARY if question.index == "_id" else INDEXES[question.index]
    fields = [field for field, _ in index.keys]

    beginning = fields[: len(question.equal)]

    assert set(beginning) == set(question.equal)
    if question.ordered is not None:
        assert fields[len(question.equal)] == question.ordered
    if question.besides:
        # Compared in the documents themselves: there may be only one.
        assert index.is_unique
        assert len(fields) == len(question.equal)


def test_every_index_is_there_for_a_question_or_a_rule() -> None:
    used = {question.index for question in QUESTIONS.values()}

    assert {name for name, index in INDEXES.items() if name not in used and not index.is_unique} == set()
    assert {index.keys for index in INDEXES.values() if index.is_unique} == {
        (("room", 1), ("seq", 1)),
        (("room", 1), ("author", 1), ("client", 1)),
    }


def test_the_collection_is_asked_nothing_but_the_questions() -> None:
    file = ROOT / "models" / "store" / "chat_mongo.py"
    asked = [name for receiver, name, _ in calls_in(file) if receiver == "self._facts"]
    kinds = {
        node.args[0].value
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"_find", "_documents", "_check"}
        and isinstance(node.args[0], ast.Constant)
    }

    # `find` is in the one place that checks; `update_one` is checked where it is.
    assert sorted(asked) == ["find", "insert_many", "insert_one", "update_one"]
    assert kinds == set(QUESTIONS)


async def test_a_question_of_another_shape_is_a_bug() -> None:
    store = MongoChatStore("mongodb://nowhere.invalid/")

    for question, where in (("head", {"seq": 1}), ("head", {"room": new_id(), "body": b""})):
        with pytest.raises(AssertionError):
            await store._documents(question, where, ())

    await store.close()


def test_a_url_that_cannot_be_read_is_refused_without_being_quoted() -> None:
    with pytest.raises(ValueError, match="CHAT_URL cannot be read") as refused:
        MongoChatStore("mongodb://ada:not-the-password@host:port/")

    assert "not-the-password" not in str(refused.value)
