"""Erasing an account: nothing of the person is left in any table, and everything of everybody else is."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from auth.viewer import ANONYMOUS, Viewer
from models.application import ApplicationStatus, DeclineReason, WithdrawReason
from models.chat import ChatDraft, ChatKind, Sealed
from models.chat_cipher import Place
from models.contract import EndReason
from models.errors import NotAllowed
from models.gig import Gig
from models.gig_content import Question
from models.gig_workflow import GigStatus
from models.ids import encode_id, new_id
from models.profile import SkillLevel
from models.store.chat_keys import Unreadable
from models.store.chat_sql import SqlChatStore
from models.user import (
    ERASED_NAME,
    AccountGone,
    ContractsActive,
    LastSuperAdmin,
    Role,
    SessionEnded,
    User,
    UserStatus,
    WrongCredentials,
    WrongPassword,
)
from resolvers import (
    accounts,
    applications,
    contracts,
    feedback,
    gigs,
    invitations,
    profiles,
    rooms,
    task_talk,
)
from resolvers.administration import suspend_account
from resolvers.applications import Answer
from resolvers.erasure import ERASED_TITLE, FINISH, erase_account_of, erase_own_account
from resolvers.jobs import run_due_jobs
from resolvers.operation import Operation
from tests.resolvers.boards import board_stage
from tests.schema.stage import AXES
from tests.world import PASSWORD, World, kinds, race

WORD = "quillon"
"""In everything that the person wrote, and in nothing else."""


async def person_of_word(world: World, *roles: Role) -> Viewer:
    op = Operation(world.services, ANONYMOUS, device=f"{WORD}'s telephone")
    receipt, credentials = await accounts.register_account(
        op, email=f"{WORD}.{new_id().hex}@example.com", password=PASSWORD, name=f"Q. {WORD}", roles=roles
    )
    viewer = world.services.tokens.viewer_of(credentials.access_token, now=world.clock())
    return replace(viewer, user_id=receipt.entity_id)


async def rows_with(world: World, word: str) -> dict[str, int]:
    """How many rows of which tables hold the word, in whatever column: what a dump would show."""
    tables = await world.rows(
        "select table_name from information_schema.tables where table_schema = 'public'"
    )
    found = {}
    for (table,) in tables:
        statement = f"select count(*) from {table} as t where cast(t as text) ilike :pattern"
        count = (await world.rows(statement, pattern=f"%{word}%"))[0][0]
        if count:
            found[table] = count
    return found


async def a_room(world: World, owner: Viewer) -> UUID:
    return (await rooms.create_group(world.as_(owner), "Here", [], is_read_only=False)).entity_id


async def say(world: World, store: SqlChatStore, room_id: UUID, author: Viewer, text: str) -> None:
    id = new_id()
    draft = ChatDraft(
        room_id=room_id, id=id, kind=ChatKind.SENT, message_id=id, author_id=author.require_user(), client_id=str(id),
        at=world.clock(), sealed=Sealed(id, b"to be sealed", b""),
    )  # fmt: skip
    sealed = await world.services.chat.keys.seal(text.encode(), Place.of(draft), at=world.clock())
    await store.append_fact(replace(draft, sealed=sealed))


async def read(world: World, store: SqlChatStore, room_id: UUID) -> list[str | Unreadable]:
    facts = await store.facts_after(room_id, 0, limit=100)
    words = await world.services.chat.keys.unseal(facts)
    return [text if isinstance(text, Unreadable) else text.decode() for text in words]


async def wrote_everywhere(world: World, me: Viewer) -> UUID:
    """The person wrote wherever one can write, and all work with them is over; a gig of theirs that is open."""
    mine, admin = world.as_(me), await world.admin()
    other_client, other_freelancer = await world.client(), await world.freelancer()
    about = {"headline": WORD, "overview": f"I am {WORD}.", "country": "DE", "languages": ["de"]}
    await profiles.edit_freelancer(mine, about, expected_version=None)
    await profiles.edit_client(mine, {"company": WORD, "about": WORD}, expected_version=None)
    await profiles.set_expertise(
        mine, [profiles.Expertise(await world.skill(), SkillLevel.EXPERT, 3)], expected_version=None
    )
    # A gig of theirs, with bids and an invitation.
    gig_id = await world.open_gig(
        me,
        title=f"Paint for {WORD}",
        description=f"Ask {WORD}.",
        questions=(Question(f"Do you know {WORD}?", is_required=False),),
    )
    await world.draft(me, title=f"A draft of {WORD}")
    bid = await world.application(other_freelancer, gig_id)
    await applications.decline_application(mine, bid, reason=DeclineReason.OTHER, message=f"{WORD} says no.")
    await invitations.invite_freelancer(
        mine, gig_id, freelancer_id=other_freelancer.require_user(), message=f"Come to {WORD}."
    )
    await gigs.save_gig(world.as_(me, key=f"{WORD}-1"), gig_id)
    # A bid of theirs, with an answer, and one that was taken back with a note.
    asked = await world.open_gig(other_client, questions=(Question("Who are you?"),))
    question = (await world.rows("select id from gig_question where gig_id = :id", id=asked))[0][0]
    await world.application(me, asked, cover_letter=f"{WORD} here.", answers=(Answer(question, WORD),))
    taken = await world.application(me, await world.open_gig(other_client), cover_letter=WORD)
    await applications.withdraw_application(mine, taken, reason=WithdrawReason.OTHER, note=f"{WORD} is busy.")
    # Work that is over, on both sides, with everything that is said about it.
    for hired in (
        await world.hired(client=me, title="A fence"),
        await world.hired(freelancer=me, title="A gate"),
    ):
        board = await board_stage(world, hired=hired)
        task_id = await board.task()
        said, _ = await task_talk.add_comment(mine, task_id, f"{WORD} asks.", answers_id=None, mentions=[])
        await task_talk.edit_comment(mine, said.entity_id, f"{WORD} asks again.")
        await contracts.submit_work(
            world.as_(hired.freelancer), hired.contract_id, note=WORD if hired.freelancer == me else None
        )
        await contracts.approve_work(world.as_(hired.client), hired.contract_id)
        other = hired.freelancer if hired.client == me else hired.client
        await feedback.leave_feedback(mine, hired.contract_id, axes=AXES, comment=f"{WORD} was glad.")
        answered = await feedback.leave_feedback(
            world.as_(other), hired.contract_id, axes=AXES, comment="Good work."
        )
        await feedback.reply_to_feedback(mine, answered.entity_id, body=f"Thanks, {WORD}.")
    until = world.clock() + timedelta(hours=1)
    await suspend_account(world.as_(admin), me.require_user(), reason=f"{WORD} shouted.", until=until)
    world.clock.move(timedelta(hours=2))
    await run_due_jobs(world.as_(ANONYMOUS))
    return gig_id


async def test_nothing_of_the_person_is_left_in_any_table_and_others_keep_their_words(
    empty_world: World, empty_database_url: str
) -> None:
    world = empty_world
    me = await person_of_word(world, Role.CLIENT, Role.FREELANCER)
    partner, store = await world.client("Paula"), SqlChatStore(empty_database_url)
    gig_id = await wrote_everywhere(world, me)
    room_id = await a_room(world, me)
    await say(world, store, room_id, me, f"{WORD} speaking")
    await say(world, store, room_id, partner, "Paula answers")
    before = await rows_with(world, WORD)

    receipt = await erase_own_account(world.as_(me), password=PASSWORD)

    assert {"users", "remark", "application", "feedback", "task_comment", "gig", "gig_word"} <= before.keys()
    assert await rows_with(world, WORD) == {}
    assert receipt.entity_id == me.user_id
    user = await world.get(User, me.require_user())
    assert (user.name, user.status, user.roles) == (ERASED_NAME, UserStatus.ERASED, [])
    gig = await world.gig(gig_id)
    assert (gig.status, gig.title, gig.description) == (GigStatus.CANCELLED, ERASED_TITLE, "")
    left = await world.rows("select status from application where freelancer_id = :id", id=me.user_id)
    assert {row[0] for row in left} == {ApplicationStatus.WITHDRAWN, ApplicationStatus.ACCEPTED}
    # What others need, and said.
    kept = await world.rows("select title from gig where title in ('A fence', 'A gate')")
    assert len(kept) == 2
    said = await world.rows("select count(*) from feedback where comment = 'Good work.'")
    assert said[0][0] == 2
    # The words of their chat cannot be opened any more, in any copy; those of others can.
    assert await read(world, store, room_id) == [Unreadable.DESTROYED, "Paula answers"]
    keys = await world.rows("select author_id from chat_key where room_id = :id", id=room_id)
    assert [row[0] for row in keys] == [partner.user_id]
    # The audit log keeps what happened, without a word about the person.
    acts = await world.rows(
        "select kind, body from admin_act left join remark on remark.id = remark_id where account_id = :id order by at",
        id=me.user_id,
    )
    assert [tuple(row) for row in acts] == [("SUSPENDED", ""), ("RESTORED", None), ("ERASED", None)]
    await store.close()


async def test_what_was_on_its_way_while_the_account_was_erased_is_erased_a_minute_later(
    empty_world: World, empty_database_url: str
) -> None:
    world = empty_world
    boss, me = await world.admin(Role.SUPER_ADMIN), await world.person(Role.CLIENT, Role.FREELANCER)
    store, room_id = SqlChatStore(empty_database_url), await a_room(world, me)
    asked = await world.open_gig(await world.client())
    await erase_account_of(world.as_(boss), me.require_user(), reason="Asked by letter.")
    await say(world, store, room_id, me, "On its way.")
    bid = await world.application(me, asked, cover_letter=WORD)
    draft = await world.draft(me, title=WORD)

    world.clock.move(timedelta(minutes=1))
    await run_due_jobs(world.as_(ANONYMOUS))

    assert await read(world, store, room_id) == [Unreadable.DESTROYED]
    assert await rows_with(world, WORD) == {}
    assert (await world.gig(draft)).title == ERASED_TITLE
    letter = await world.rows("select cover_letter from application where id = :id", id=bid)
    assert letter[0][0] == ""
    kept = await world.rows("select body from remark where author_id = :id", id=boss.user_id)
    assert [row[0] for row in kept] == ["Asked by letter."]
    done = await world.rows("select status from job where kind = :kind", kind=FINISH)
    assert [row[0] for row in done] == ["DONE"]
    await store.close()


async def test_contracts_have_to_be_over_and_are_named(world: World) -> None:
    one = await world.hired()
    two = await world.hired(client=one.client)
    before = await world.footprint()

    outcomes = await race([
        erase_own_account(world.as_(one.client), password=PASSWORD),
        erase_own_account(world.as_(one.freelancer), password=PASSWORD),
    ])  # fmt: skip

    ids = [encode_id("contract", hired.contract_id) for hired in (one, two)]
    assert [sorted(o.contract_ids) for o in outcomes if isinstance(o, ContractsActive)] == [
        sorted(ids),
        ids[:1],
    ]
    assert await world.footprint() == before


async def test_a_hiring_that_races_the_erasure_leaves_no_contract_with_nobody(world: World) -> None:
    for _ in range(4):
        client, freelancer = await world.client(), await world.freelancer()
        bid = await world.application(freelancer, await world.open_gig(client))

        outcomes = await race([
            erase_own_account(world.as_(freelancer), password=PASSWORD),
            applications.accept_application(world.as_(client), bid),
        ])  # fmt: skip

        hired = await world.rows(
            "select count(*) from contract where freelancer_id = :id", id=freelancer.user_id
        )
        status = (await world.get(User, freelancer.require_user())).status
        assert (status, hired[0][0]) in {(UserStatus.ERASED, 0), (UserStatus.ACTIVE, 1)}
        assert kinds(outcomes)["Receipt"] == 1


async def test_gigs_end_by_the_ways_that_gigs_have(world: World) -> None:
    done = await world.completed(wanted=2)
    paused = await world.open_gig(done.client)
    await gigs.pause_gig(world.as_(done.client), paused)
    cancelled = await world.open_gig(done.client)
    await gigs.cancel_gig(world.as_(done.client), cancelled, note=None)

    await erase_own_account(world.as_(done.client), password=PASSWORD)

    async def end_of(gig_id: UUID) -> tuple[GigStatus, str]:
        gig: Gig = await world.gig(gig_id)
        return gig.status, (await world.facts(gig_id))[-1]

    assert await end_of(done.gig_id) == (GigStatus.COMPLETED, "GigHiringStopped")
    assert await end_of(paused) == (GigStatus.CANCELLED, "GigCancelled")
    assert await end_of(cancelled) == (GigStatus.CANCELLED, "GigCancelled")


async def test_a_word_that_other_gigs_use_is_still_known_to_the_search(world: World) -> None:
    # Of letters, and with an end that no stemmer takes away.
    word = "".join(chr(ord("a") + int(digit, 16)) for digit in new_id().hex[-10:]) + "zork"
    me, other = await world.client(), await world.client()
    await world.open_gig(me, title=f"A {word} of mine")
    kept = await world.open_gig(other, title=f"A {word} of theirs")

    await erase_own_account(world.as_(me), password=PASSWORD)

    homes = await world.rows("select gig_id from gig_word where word = :word", word=word)
    assert [row[0] for row in homes] == [kept]


async def test_ones_own_account_takes_its_password_and_others_a_super_admin(world: World) -> None:
    person, admin, boss = await world.client(), await world.admin(), await world.admin(Role.SUPER_ADMIN)
    before = await world.footprint()

    refused = [
        (await race([act]))[0]
        for act in (
            erase_own_account(world.as_(person), password="wrong " + PASSWORD),
            erase_account_of(world.as_(person), admin.require_user(), reason="No."),
            erase_account_of(world.as_(admin), person.require_user(), reason="No."),
            erase_account_of(world.as_(boss), person.require_user(), reason=""),
        )
    ]

    assert [type(outcome).__name__ for outcome in refused] == [
        WrongPassword.__name__, NotAllowed.__name__, NotAllowed.__name__, "Refusals",
    ]  # fmt: skip
    assert await world.footprint() == before
    await erase_account_of(world.as_(boss), person.require_user(), reason="Asked by letter.")
    with pytest.raises(AccountGone):
        await erase_account_of(world.as_(boss), person.require_user(), reason="Again.")
    with pytest.raises(AccountGone):
        await suspend_account(world.as_(admin), person.require_user(), reason="Spam.", until=None)


async def test_nobody_signs_in_to_an_erased_account_and_its_address_is_free(world: World) -> None:
    email = f"{new_id().hex}@example.com"
    parts: dict[str, Any] = {"email": email, "password": PASSWORD}
    op = world.as_(ANONYMOUS)
    receipt, old = await accounts.register_account(op, **parts, name="One", roles=[Role.CLIENT])
    viewer = world.services.tokens.viewer_of(old.access_token, now=world.clock())

    await erase_own_account(world.as_(viewer), password=PASSWORD)

    with pytest.raises(WrongCredentials):
        await accounts.create_session(op, **parts)
    with pytest.raises(SessionEnded):
        await accounts.refresh_session(op, refresh_token=old.refresh_token)
    again, _ = await accounts.register_account(op, **parts, name="Two", roles=[Role.CLIENT])
    assert again.entity_id != receipt.entity_id


async def test_of_two_super_admins_who_leave_at_once_one_has_to_stay(empty_world: World) -> None:
    world = empty_world
    bosses = [await world.admin(Role.SUPER_ADMIN) for _ in range(2)]

    outcomes = await race([erase_own_account(world.as_(boss), password=PASSWORD) for boss in bosses])

    assert kinds(outcomes) == {"Receipt": 1, LastSuperAdmin.__name__: 1}


async def test_the_answer_names_the_contracts_or_shows_the_account_without_a_name(world: World) -> None:
    hired = await world.hired()
    document = """mutation ($input: AccountEraseInput!) { accountErase(input: $input) { outcome account { name status }
        errors { code message ... on ContractsActiveError { contractIds } } } }"""
    contract = encode_id("contract", hired.contract_id)

    refused = await world.data(hired.client, document, input={"password": PASSWORD})
    await contracts.end_contract(
        world.as_(hired.client), hired.contract_id, reason=EndReason.MUTUAL, note=None
    )
    wrong = await world.data(hired.client, document, input={"password": "no"})
    erased = await world.data(hired.client, document, input={"password": PASSWORD, "idempotencyKey": "k"})

    message = "Contracts that are not over: 1. Complete or end them first."
    error = {"code": "CONTRACTS_ACTIVE", "message": message, "contractIds": [contract]}
    account = {"name": "Carla", "status": "ACTIVE"}
    assert refused["accountErase"] == {"outcome": "REJECTED", "account": account, "errors": [error]}
    assert [e["code"] for e in wrong["accountErase"]["errors"]] == ["WRONG_PASSWORD"]
    assert erased["accountErase"] == {
        "outcome": "APPLIED", "account": {"name": ERASED_NAME, "status": "ERASED"}, "errors": [],
    }  # fmt: skip
    # Not even the text of the key is left.
    keys = await world.rows("select 1 from idempotency_key where actor_id = :id", id=hired.client.user_id)
    assert keys == []
