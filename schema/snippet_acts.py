"""What can be done to snippets: versions, shares, and what is said about lines."""

from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry import Maybe

from models.errors import NotFound, StaleVersion
from models.ids import decode_id
from models.room import ArchivedRoom, BlockedPerson, ReadOnlyRoom
from models.snippet import (
    ArchivedSnippet,
    DeletedSnippetComment,
    RoomSharesFull,
    SnippetBusy,
    SnippetFull,
)
from models.user import AccountGone
from resolvers import snippet_shares, snippet_talk, snippets
from resolvers.operation import Operation
from resolvers.snippet_talk import Lines
from schema.graph import entity
from schema.inputs import given
from schema.payloads import IDEMPOTENCY, VERSION, Answer, MutationPayload, Needs, mutation
from schema.scalars import Markdown
from schema.snippet_parts import SnippetCommentType, SnippetShareType
from schema.snippet_words import SnippetLanguage
from schema.snippets import SnippetType


@strawberry.type(description="Answer to a mutation of a snippet.")
class SnippetPayload(MutationPayload):
    snippet: SnippetType | None = entity("The snippet as it is now, after a refusal too.")


@strawberry.input(description="Names a snippet to change.")
class SnippetActInput:
    id: strawberry.ID = strawberry.field(description="The snippet.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `snippetCreate`.")
class SnippetCreateInput:
    title: str = strawberry.field(
        description="1 to 200 characters. Titles are not encrypted, unlike content."
    )
    language: SnippetLanguage = strawberry.field(
        default=SnippetLanguage.PLAIN_TEXT, description="What it is written in."
    )
    content: str = strawberry.field(
        description="The code: 1 to 65,536 bytes in UTF-8, at most 4,000 lines, kept to the byte."
    )
    message: str | None = strawberry.field(
        default=None, description="What to say about the first version; at most 500 characters."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `snippetRevise`.")
class SnippetReviseInput(SnippetActInput):
    content: str = strawberry.field(
        description="The whole code: 1 to 65,536 bytes in UTF-8, at most 4,000 lines, kept to the byte."
    )
    message: str | None = strawberry.field(
        default=None, description="What was changed; at most 500 characters."
    )
    expected_version: int | None = strawberry.field(default=None, description=VERSION)


@strawberry.input(description="Input of `snippetRename`; absent parts stay as they are.")
class SnippetRenameInput(SnippetActInput):
    title: Maybe[str] = strawberry.field(description="1 to 200 characters.")
    language: Maybe[SnippetLanguage] = strawberry.field(description="What it is written in.")
    expected_version: int | None = strawberry.field(default=None, description=VERSION)


def _id(input: Any) -> UUID:
    return decode_id("snippet", input.id)


@mutation(SnippetPayload, needs=Needs.SIGNED_IN, description="Keep code as a snippet of yours.")
async def snippet_create(op: Operation, input: SnippetCreateInput) -> Answer:
    return await snippets.create_snippet(
        op, title=input.title, language=input.language, content=input.content, message=input.message
    )


@mutation(
    SnippetPayload,
    NotFound,
    StaleVersion,
    ArchivedSnippet,
    SnippetBusy,
    SnippetFull,
    needs=Needs.SIGNED_IN,
    description="Write a new version of a snippet: its owner may, and whoever a share lets. The content of the newest version "
    "once more is a NOOP.",
)
async def snippet_revise(op: Operation, input: SnippetReviseInput) -> Answer:
    return await snippets.revise_snippet(
        op, _id(input), content=input.content, message=input.message, expected_version=input.expected_version
    )


@mutation(
    SnippetPayload,
    NotFound,
    StaleVersion,
    ArchivedSnippet,
    needs=Needs.SIGNED_IN,
    description="Give a snippet another title or language.",
)
async def snippet_rename(op: Operation, input: SnippetRenameInput) -> Answer:
    changes = given(input, "title", "language")
    return await snippets.rename_snippet(op, _id(input), changes, expected_version=input.expected_version)


@mutation(
    SnippetPayload,
    NotFound,
    needs=Needs.SIGNED_IN,
    description="Put a snippet away: it can be read, and nothing is added to it. `snippetRestore` brings it back.",
)
async def snippet_archive(op: Operation, input: SnippetActInput) -> Answer:
    return await snippets.archive_snippet(op, _id(input))


@mutation(SnippetPayload, NotFound, needs=Needs.SIGNED_IN, description="Bring an archived snippet back.")
async def snippet_restore(op: Operation, input: SnippetActInput) -> Answer:
    return await snippets.restore_snippet(op, _id(input))


# -- sharing -----------------------------------------------------------------------------------------------------------------


@strawberry.type(description="Answer to a mutation of a share.")
class SnippetSharePayload(MutationPayload):
    share: SnippetShareType | None = entity("The share as it is now.")


@strawberry.type(description="Answer to `snippetShareByLink`.")
class SnippetShareByLinkPayload(SnippetSharePayload):
    token: str | None = strawberry.field(
        default=None,
        description="For `sharedSnippet`: 256 random bits as text, shown this once. Null for a refusal and a replay: make "
        "another link then.",
    )


@strawberry.input(description="Input of `snippetShareWithContract`.")
class SnippetShareWithContractInput(SnippetActInput):
    contract_id: strawberry.ID = strawberry.field(description="A contract that you are a side of.")
    may_revise: bool = strawberry.field(
        default=False, description="Whether the other side may write new versions, too."
    )


@strawberry.input(description="Input of `snippetShareWithRoom`.")
class SnippetShareWithRoomInput(SnippetActInput):
    room_id: strawberry.ID = strawberry.field(description="A room that you may write in.")
    may_revise: bool = strawberry.field(
        default=False, description="Whether its other members may write new versions, too."
    )


@strawberry.input(description="Input of `snippetShareByLink`.")
class SnippetShareByLinkInput(SnippetActInput):
    expires_at: datetime = strawberry.field(
        description="Until when the link can be used: within the next 365 days."
    )


@strawberry.input(description="Input of `snippetShareEnd`.")
class SnippetShareEndInput:
    id: strawberry.ID = strawberry.field(description="The share.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@mutation(
    SnippetSharePayload,
    NotFound,
    ArchivedSnippet,
    SnippetFull,
    needs=Needs.SIGNED_IN,
    description="Share a snippet of yours with both sides of a contract. Done again, it changes what they may do.",
)
async def snippet_share_with_contract(op: Operation, input: SnippetShareWithContractInput) -> Answer:
    contract_id = decode_id("contract", input.contract_id, path=("contractId",))
    return await snippet_shares.share_with_contract(op, _id(input), contract_id, may_revise=input.may_revise)


@mutation(
    SnippetSharePayload,
    NotFound,
    ArchivedSnippet,
    ArchivedRoom,
    ReadOnlyRoom,
    BlockedPerson,
    AccountGone,
    SnippetFull,
    RoomSharesFull,
    needs=Needs.SIGNED_IN,
    description="Share a snippet of yours with the members of a room, for as long as they are. Done again, it changes what they may "
    "do.",
)
async def snippet_share_with_room(op: Operation, input: SnippetShareWithRoomInput) -> Answer:
    room_id = decode_id("room", input.room_id, path=("roomId",))
    return await snippet_shares.share_with_room(op, _id(input), room_id, may_revise=input.may_revise)


@mutation(
    SnippetShareByLinkPayload,
    NotFound,
    ArchivedSnippet,
    SnippetFull,
    needs=Needs.SIGNED_IN,
    description="Make a link to a snippet of yours, for anybody who has it.",
)
async def snippet_share_by_link(op: Operation, input: SnippetShareByLinkInput) -> Answer:
    receipt, token = await snippet_shares.share_by_link(op, _id(input), expires_at=input.expires_at)
    return receipt, {"token": token}


@mutation(
    SnippetSharePayload,
    NotFound,
    needs=Needs.SIGNED_IN,
    description="End a share of a snippet of yours: a contract's other side and a room's members do not see it any more, "
    "a link leads nowhere.",
)
async def snippet_share_end(op: Operation, input: SnippetShareEndInput) -> Answer:
    return await snippet_shares.end_share(op, decode_id("snippetshare", input.id))


# -- comments ----------------------------------------------------------------------------------------------------------------


@strawberry.type(description="Answer to a mutation of a comment on a snippet.")
class SnippetCommentPayload(MutationPayload):
    comment: SnippetCommentType | None = entity("The comment as it is now.")


@strawberry.input(description="Lines of a version of a snippet.")
class SnippetLinesInput:
    version_id: strawberry.ID = strawberry.field(description="The version.")
    first: int = strawberry.field(description="The first line, from 1.")
    last: int = strawberry.field(description="The last line; the first one for a single line.")


@strawberry.input(one_of=True, description="Where a comment belongs: to lines, or to a thread.")
class SnippetCommentPlaceInput:
    lines: Maybe[SnippetLinesInput] = strawberry.field(description="It begins a thread about these lines.")
    answers_id: Maybe[strawberry.ID] = strawberry.field(
        description="It answers this comment, and joins that one's thread."
    )


@strawberry.input(description="Input of `snippetCommentAdd`.")
class SnippetCommentAddInput:
    at: SnippetCommentPlaceInput = strawberry.field(description="Where it belongs.")
    body: Markdown = strawberry.field(description="1 to 10,000 characters.")
    mention_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list,
        description="To whom it speaks: people who see the snippet, at most 20; they are notified.",
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Names a comment on a snippet.")
class SnippetCommentActInput:
    id: strawberry.ID = strawberry.field(description="The comment.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `snippetCommentEdit`.")
class SnippetCommentEditInput(SnippetCommentActInput):
    body: Markdown = strawberry.field(description="1 to 10,000 characters.")


def _comment(input: SnippetCommentActInput) -> UUID:
    return decode_id("snippetcomment", input.id)


@mutation(
    SnippetCommentPayload,
    NotFound,
    ArchivedSnippet,
    SnippetBusy,
    SnippetFull,
    needs=Needs.SIGNED_IN,
    description="Say something about lines of a snippet, or answer. Those it speaks to, who spoke in the thread, and the owner are "
    "notified.",
)
async def snippet_comment_add(op: Operation, input: SnippetCommentAddInput) -> Answer:
    mentions = [
        decode_id("person", id, path=("mentionIds", str(index))) for index, id in enumerate(input.mention_ids)
    ]
    if (lines := input.at.lines) is None:
        answers_id = decode_id(
            "snippetcomment", given(input.at, "answers_id")["answers_id"], path=("at", "answersId")
        )
        return await snippet_talk.answer_comment(op, answers_id, input.body, mentions=mentions)
    version_id = decode_id("snippetversion", lines.value.version_id, path=("at", "lines", "versionId"))
    place = Lines(version_id, lines.value.first, lines.value.last)
    return await snippet_talk.comment_lines(op, place, input.body, mentions=mentions)


@mutation(
    SnippetCommentPayload,
    NotFound,
    DeletedSnippetComment,
    needs=Needs.SIGNED_IN,
    description="Word a comment of yours anew; what it said before stays readable.",
)
async def snippet_comment_edit(op: Operation, input: SnippetCommentEditInput) -> Answer:
    return await snippet_talk.edit_comment(op, _comment(input), input.body)


@mutation(
    SnippetCommentPayload,
    NotFound,
    needs=Needs.SIGNED_IN,
    description="Take a comment away: its author or the owner of the snippet may. Answers to it stay.",
)
async def snippet_comment_delete(op: Operation, input: SnippetCommentActInput) -> Answer:
    return await snippet_talk.delete_comment(op, _comment(input))


@mutation(
    SnippetCommentPayload,
    NotFound,
    needs=Needs.SIGNED_IN,
    description="Resolve the thread of a comment: who began it or the owner of the snippet may. Answers with the comment that the "
    "thread began with.",
)
async def snippet_comment_resolve(op: Operation, input: SnippetCommentActInput) -> Answer:
    return await snippet_talk.resolve_thread(op, _comment(input))


@mutation(
    SnippetCommentPayload,
    NotFound,
    needs=Needs.SIGNED_IN,
    description="Open a resolved thread again. Answers with the comment that the thread began with.",
)
async def snippet_comment_reopen(op: Operation, input: SnippetCommentActInput) -> Answer:
    return await snippet_talk.reopen_thread(op, _comment(input))
