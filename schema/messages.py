"""What is said in rooms, as members read it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import strawberry

from models.chat import SYSTEM
from models.errors import Invalid
from models.ids import decode_id, encode_id
from models.message import Content
from models.message_previews import MOST_PREVIEWS, Named
from models.store.chat_keys import Unreadable
from models.store.chat_words import FoundMessage
from models.vocabulary import Vocabulary
from resolvers import messages, reading
from resolvers.message_files import MessageFile
from resolvers.message_search import MOST_AUTHORS, Asked, search_messages
from resolvers.messages import Shown, ShownPage, Words
from resolvers.operation import Operation
from resolvers.room_members import names_in_rooms
from schema.activity import ActivityKind
from schema.analysis import priced
from schema.connections import Page, PageInfo, paging_arguments
from schema.graph import Answered, Context, argument, attached, declare, reference
from schema.message_previews import MessagePreview, previews
from schema.message_threads import MessageThread, threads
from schema.person_ids import PERSON, people_of, person_of
from schema.places import vector_cursor
from schema.scalars import Markdown, StreamCursor
from schema.type_names import Application, Contract, Gig, Person, Room
from schema.words import words

MOST_SHOWN = 100
"""Of those who reacted with one emoji, how many are named."""


class MessageState(Vocabulary):
    """Whether a message can be read."""

    SHOWN = "SHOWN", "It says what `text` says."
    DELETED = "DELETED", "It was taken back; this is its tombstone."
    ERASED = "ERASED", "Its author's account is erased, and with it the key to their words."
    FORGED = "FORGED", "Somebody changed what is stored; it is not what was written."


words(MessageState)


@strawberry.type(description="Somebody whom a message names, or who reacted to it.")
class MessagePerson:
    person: Person | None = reference("user_id", "Who it is; null if they are gone.")
    user_id: strawberry.Private[UUID]


@strawberry.type(description="The same emoji under a message, by whoever put it there.")
class MessageReaction:
    emoji: str = strawberry.field(description="The emoji.")
    count: int = strawberry.field(description="How many people put it there.")
    people: list[MessagePerson] = strawberry.field(
        description=f"The first {MOST_SHOWN} of them, in the order in which they came.",
        metadata=priced(size=10),
    )


@strawberry.type(description="A message as another one shows it again.")
class QuotedMessage:
    id: strawberry.ID = strawberry.field(description="Its id, in the same room.")
    number: int = strawberry.field(description="Its number in the room.")
    state: MessageState = strawberry.field(description="Whether it can be read.")
    text: Markdown | None = strawberry.field(description="What it says now; null unless SHOWN.")
    sent_at: datetime = strawberry.field(description="When it was sent.")
    author: Person | None = reference(
        "author_id", "Who wrote it; null for the platform itself, and if they are gone."
    )
    author_name: str | None = attached(
        names_in_rooms,
        "author_id",
        "What its author is called; null for the platform itself.",
        is_personal=False,
    )
    author_id: strawberry.Private[UUID | None]


@strawberry.type(description="What happened, where the platform itself tells it.")
class MessageNotice:
    kind: ActivityKind = strawberry.field(description="What happened.")
    gig: Gig | None = reference("gig_id", "The gig; null if you may not see it.")
    application: Application | None = reference(
        "application_id", "The application it is about; null if it is about none."
    )
    contract: Contract | None = reference(
        "contract_id", "The contract it is about; null if it is about none."
    )
    progress_percent: int | None = strawberry.field(
        description="How far the work was then, 0 to 100; null if it is not about work."
    )
    gig_id: strawberry.Private[UUID | None]
    application_id: strawberry.Private[UUID | None]
    contract_id: strawberry.Private[UUID | None]


@strawberry.type(description="A file that a message shows; members of the room read it by its `url`.")
class MessageAttachment:
    id: strawberry.ID = strawberry.field(description="The id of the `Attachment`.")
    name: str = strawberry.field(description="What its uploader called it; at most 255 characters.")
    media_type: str = strawberry.field(
        description="What it is by its first bytes; `application/octet-stream` if they do not tell."
    )
    size: int = strawberry.field(description="In bytes.")
    sha256: str = strawberry.field(description="The SHA-256 of its bytes, in hexadecimal digits.")
    url: str = strawberry.field(
        description="Where its bytes are, on this server: GET it with the same access token."
    )


@strawberry.type(
    name="Message", description="Something that was said in a room, as it stands now; its members read it."
)
class MessageType:
    id: strawberry.ID = strawberry.field(description="Opaque and the same for ever.")
    room: Room | None = reference("room_id", "The room; always there.")
    number: int = strawberry.field(
        description="Its place in the room's log: later messages have higher numbers. Acts on messages take numbers, too."
    )
    state: MessageState = strawberry.field(description="Whether it can be read.")
    text: Markdown | None = strawberry.field(description="What it says now; null unless SHOWN.")
    sent_at: datetime = strawberry.field(description="When it was sent.")
    edited_at: datetime | None = strawberry.field(description="When it was edited last; null if never.")
    edit_count: int = strawberry.field(description="How often it was edited; see `messageVersions`.")
    deleted_at: datetime | None = strawberry.field(description="When it was deleted; null unless it was.")
    deleted_by: Person | None = reference("deleted_by_id", "Who deleted it; null unless somebody did.")
    pinned_at: datetime | None = strawberry.field(description="When it was pinned; null unless it is.")
    pinned_by: Person | None = reference("pinned_by_id", "Who pinned it; null unless it is.")
    reactions: list[MessageReaction] = strawberry.field(
        description="What people put under it, in the order in which it came; at most 20 different ones."
    )
    answers_id: strawberry.ID | None = strawberry.field(
        description="The message that it answers; null if it answers none."
    )
    thread_id: strawberry.ID | None = strawberry.field(
        description="The first message of the thread in which it answers; null if it answers none."
    )
    thread: MessageThread | None = attached(
        threads,
        "place",
        "The thread that it begins, or in which it answers, as you have it; always there.",
    )
    quoted: QuotedMessage | None = strawberry.field(
        description="The message that it shows again; null if it shows none."
    )
    mentions: list[MessagePerson] = strawberry.field(
        description="Members whom it speaks to, by their ids: those it names, and those `mentionsHere` spoke to."
    )
    mentions_room: bool = strawberry.field(description="Whether it speaks to everybody in the room.")
    mentions_here: bool = strawberry.field(
        description="Whether it speaks to those who were there when it was sent; they are among `mentions`."
    )
    attachments: list[MessageAttachment] = strawberry.field(
        description="The files that it shows, in order; at most 10. Empty once it is deleted."
    )
    is_system: bool = strawberry.field(description="Whether the platform itself says it.")
    notice: MessageNotice | None = strawberry.field(
        description="What the platform tells, for programs; null for what people say."
    )
    author: Person | None = reference(
        "author_id", "Who wrote it; null for the platform itself, and if they are gone."
    )
    author_name: str | None = attached(
        names_in_rooms,
        "author_id",
        "What its author is called; null for the platform itself.",
        is_personal=False,
    )
    previews: list[MessagePreview] = attached(
        previews,
        "named",
        "The first 5 things of ours that its text names by their ids or in links and that you may see: gigs, applications, "
        "contracts, boards, tasks, snippets. Other links are never fetched.",
        metadata=priced(size=MOST_PREVIEWS),
    )
    room_id: strawberry.Private[UUID]
    place: strawberry.Private[tuple[UUID, UUID]]
    named: strawberry.Private[tuple[Named, ...]]
    author_id: strawberry.Private[UUID | None]
    deleted_by_id: strawberry.Private[UUID | None]
    pinned_by_id: strawberry.Private[UUID | None]


def shown_message(shown: Shown) -> MessageType:
    message, content = shown.message, _content(shown)
    return MessageType(
        id=message_id(message.id),
        number=message.seq,
        state=_state(shown.words),
        text=_text(shown.words),
        sent_at=message.sent.at,
        edited_at=message.edited_at,
        edit_count=message.edits,
        deleted_at=message.deleted_at,
        pinned_at=message.pinned_at,
        reactions=[
            MessageReaction(
                emoji=emoji,
                count=len(people),
                people=[MessagePerson(user_id=user_id) for user_id in people[:MOST_SHOWN]],
            )
            for emoji, people in message.reactions.items()
        ],
        answers_id=None if content.answers_id is None else message_id(content.answers_id),
        thread_id=None if content.thread_id is None else message_id(content.thread_id),
        quoted=None if shown.quoted is None else _quoted(shown.quoted),
        mentions=[MessagePerson(user_id=user_id) for user_id in content.mentioned_ids],
        mentions_room=content.mentions_room,
        mentions_here=content.here_ids is not None,
        attachments=[_attachment(file) for file in shown.files],
        is_system=message.sent.author_id == SYSTEM,
        notice=_notice(dict(content.notice)),
        room_id=message.sent.room_id,
        place=(message.sent.room_id, message.id),
        named=shown.named,
        author_id=_author(shown),
        deleted_by_id=message.deleted_by,
        pinned_by_id=message.pinned_by,
    )


def message_id(id: UUID) -> strawberry.ID:
    return strawberry.ID(encode_id("message", id))


def _quoted(shown: Shown) -> QuotedMessage:
    message = shown.message
    return QuotedMessage(
        id=message_id(message.id),
        number=message.seq,
        state=_state(shown.words),
        text=_text(shown.words),
        sent_at=message.sent.at,
        author_id=_author(shown),
    )


def _attachment(file: MessageFile) -> MessageAttachment:
    id = encode_id("file", file.id)
    return MessageAttachment(
        id=strawberry.ID(id), name=file.name, media_type=file.media_type, size=file.size, sha256=file.sha256,
        url=f"/files/{id}",
    )  # fmt: skip


def _notice(about: Mapping[str, str]) -> MessageNotice | None:
    if not about:
        return None
    percent = about.get("progress_percent")
    return MessageNotice(
        kind=ActivityKind(about["kind"]),
        progress_percent=None if percent is None else int(percent),
        gig_id=_key(about, "gig_id"),
        application_id=_key(about, "application_id"),
        contract_id=_key(about, "contract_id"),
    )


def _key(about: Mapping[str, str], name: str) -> UUID | None:
    return UUID(about[name]) if name in about else None


_NOTHING = Content("")


def _content(shown: Shown) -> Content:
    return shown.words if isinstance(shown.words, Content) else _NOTHING


def _text(words: Words) -> Markdown | None:
    return Markdown(words.text) if isinstance(words, Content) else None


def _state(words: Words) -> MessageState:
    if words is None:
        return MessageState.DELETED
    if isinstance(words, Content):
        return MessageState.SHOWN
    return MessageState.ERASED if words is Unreadable.DESTROYED else MessageState.FORGED


def _author(shown: Shown) -> UUID | None:
    author_id = shown.message.sent.author_id
    return None if author_id == SYSTEM else author_id


# -- pages -------------------------------------------------------------------------------------------------------------------


@strawberry.type(description="A message in a page.")
class MessageEdge:
    cursor: str = strawberry.field(description="Its place; for `after` and `before` of the same list.")
    node: MessageType = strawberry.field(description="The message.")


@strawberry.type(description="One page of the messages of a room, in the order of sending.")
class MessageConnection:
    edges: list[MessageEdge] = strawberry.field(description="The messages with their cursors.")
    nodes: list[MessageType] = strawberry.field(description="The messages.")
    page_info: PageInfo = strawberry.field(description="Where this page lies in the room.")
    stream_cursor: StreamCursor = strawberry.field(
        description="Where the room stood when this was read: with it in `after`, `roomEvents` tells what came later."
    )
    room: Room | None = reference(
        "room_id",
        "The room; always there. It was read after `streamCursor`, so what is told first may be known already.",
    )
    room_id: strawberry.Private[UUID]


@strawberry.type(description="What a message said once.")
class MessageVersion:
    text: Markdown | None = strawberry.field(description="The words; null if they cannot be read any more.")
    state: MessageState = strawberry.field(description="Whether they can be read.")
    written_at: datetime = strawberry.field(description="When its author wrote it so.")


def _page_of(op: Operation, room_id: UUID, page: ShownPage) -> MessageConnection:
    nodes = [shown_message(shown) for shown in page.messages]
    edges = [MessageEdge(cursor=_cursor(op, room_id, node.number), node=node) for node in nodes]
    return MessageConnection(
        edges=edges,
        nodes=nodes,
        page_info=PageInfo.of(
            [edge.cursor for edge in edges],
            has_next_page=page.has_after,
            has_previous_page=page.has_before,
        ),
        stream_cursor=vector_cursor(
            op, {f"room:{room_id}": page.at, f"roomstate:{room_id}": page.state_number}
        ),
        room_id=room_id,
    )


def _cursor(op: Operation, room_id: UUID, number: int) -> str:
    return op.services.signer.sign("message", orjson.dumps([room_id, number]))


def _number(op: Operation, room_id: UUID, cursor: str, path: str) -> int:
    """Raises `Invalid`."""
    opened = op.services.signer.open("message", cursor)
    if opened is not None:
        room, number = orjson.loads(opened)
        if room == str(room_id):
            return int(number)
    raise Invalid((path,), "CURSOR", "This is no cursor of this room's messages. Take one of this list.")


async def _messages(
    context: Context,
    room_id: str,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
    around: str | None = None,
    thread_id: str | None = None,
    is_pinned: bool | None = None,
) -> MessageConnection | None:
    op, room = context.op, decode_id("room", room_id, path=("roomId",))
    if around is not None:
        if after is not None or before is not None or last is not None or thread_id or is_pinned:
            raise Invalid(("around",), "PAIRING", "`around` goes with `first` alone.")
        size = Page.of({"first": first}).limit
        middle = decode_id("message", around, path=("around",))
        earlier = (size - 1) // 2
        page = await messages.page_around(op, room, middle, earlier=earlier, later=size - 1 - earlier)
        return None if page is None else _page_of(op, room, page)
    if first is None and last is None and after is None and before is None:
        last = Page.of({}).limit
    asked = Page.of({"first": first, "after": after, "last": last, "before": before})
    bound = (
        None
        if asked.cursor is None
        else _number(op, room, asked.cursor, "before" if asked.backwards else "after")
    )
    bounds = {"before": bound} if asked.backwards else {"after": bound or 0}
    if thread_id is not None or is_pinned:
        thread = None if thread_id is None else decode_id("message", thread_id, path=("threadId",))
        page = await messages.page_of_some(
            op, room, thread_id=thread, is_pinned=bool(is_pinned), limit=asked.limit, **bounds
        )
    else:
        page = await messages.page_of_messages(op, room, limit=asked.limit, **bounds)
    return None if page is None else _page_of(op, room, page)


async def _message(context: Context, room_id: str, id: str) -> MessageType | None:
    room, key = decode_id("room", room_id, path=("roomId",)), decode_id("message", id)
    shown = await messages.message_in(context.op, room, key)
    return None if shown is None else shown_message(shown)


async def _versions(context: Context, room_id: str, id: str) -> list[MessageVersion]:
    room, key = decode_id("room", room_id, path=("roomId",)), decode_id("message", id)
    return [
        MessageVersion(
            text=_text(version.words),
            state=_state(version.words),
            written_at=version.at,
        )
        for version in await messages.versions_of(context.op, room, key)
    ]


async def _readers(context: Context, room_id: str, id: str) -> list[MessagePerson]:
    room, key = decode_id("room", room_id, path=("roomId",)), decode_id("message", id)
    found = await reading.readers_of(context.op, room, key)
    return [MessagePerson(user_id=user_id) for user_id in found or ()]


_ROOM = argument("room_id", strawberry.ID, "The room.")
_ID = argument("id", strawberry.ID, "The message.")


def _paged() -> Any:
    field = declare(
        Answered(_messages),
        "What was said in a room, in the order of sending: without arguments the newest 20, with `around` a message with those "
        "before and after it. Null if there is no such room, or message to jump to, or you do not belong to it.",
        metadata=priced(surcharge=5),
    )
    text = "A message to jump to: it stands in the middle of the page; with `first` alone."
    field.arguments = [
        _ROOM,
        *paging_arguments(None, None),
        argument("around", strawberry.ID | None, text, default=None),
        argument(
            "thread_id",
            strawberry.ID | None,
            "Only the thread that this message began, with it.",
            default=None,
        ),
        argument("is_pinned", bool | None, "True: only what is pinned.", default=None),
    ]
    return field


def _one() -> Any:
    field = declare(
        Answered(_message), "A message of a room; null if there is none, or you do not belong to the room."
    )
    field.arguments = [_ROOM, _ID]
    return field


def _history() -> Any:
    field = declare(
        Answered(_versions),
        "Everything that a message ever said, the first words first. Empty if it is deleted, there is none, or you do not belong "
        "to the room.",
        metadata=priced(size=10),
    )
    field.arguments = [_ROOM, _ID]
    return field


class MessageTrait(Vocabulary):
    """What a message has beside words."""

    CODE = "CODE", "A block of code."
    FILE = "FILE", "A file, as long as it is there."
    MENTION = "MENTION", "It speaks to somebody, or to everybody in the room."
    SNIPPET = "SNIPPET", "The id of a snippet in its text."


words(MessageTrait)


@strawberry.type(description="One page of the messages that a search found, the newest first.")
class MessageSearchConnection:
    edges: list[MessageEdge] = strawberry.field(description="The messages with their cursors.")
    nodes: list[MessageType] = strawberry.field(description="The messages.")
    page_info: PageInfo = strawberry.field(description="Where this page lies among all that is found.")


async def _found(
    context: Context,
    query: str = "",
    room_id: str | None = None,
    thread_id: str | None = None,
    author_ids: Sequence[strawberry.ID] | None = None,
    has: Sequence[MessageTrait] | None = None,
    mentioned_id: str | None = None,
    sent_before: datetime | None = None,
    sent_after: datetime | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> MessageSearchConnection:
    op = context.op
    traits = [trait.lower() for trait in has or ()]
    if mentioned_id is not None:
        traits.append(f"mention:{person_of(mentioned_id, path=('mentionedId',))}")
    asked = Asked(
        query=query,
        room_id=None if room_id is None else decode_id("room", room_id, path=("roomId",)),
        thread_id=None if thread_id is None else decode_id("message", thread_id, path=("threadId",)),
        author_ids=tuple(dict.fromkeys(people_of(list(author_ids or ()), "authorIds"))),
        traits=tuple(dict.fromkeys(traits)),
        sent_before=sent_before,
        sent_after=sent_after,
    )
    paging = Page.of({"first": first, "after": after, "last": last, "before": before})
    beyond = (
        None
        if paging.cursor is None
        else _found_at(op, paging.cursor, "before" if paging.backwards else "after")
    )
    page = await search_messages(op, asked, limit=paging.limit, beyond=beyond, is_backwards=paging.backwards)
    edges = [
        MessageEdge(cursor=_cursor_of_hit(op, hit.at), node=shown_message(hit.shown)) for hit in page.hits
    ]
    return MessageSearchConnection(
        edges=edges,
        nodes=[edge.node for edge in edges],
        page_info=PageInfo.of(
            [edge.cursor for edge in edges],
            has_next_page=page.has_older,
            has_previous_page=page.has_newer,
        ),
    )


def _cursor_of_hit(op: Operation, at: FoundMessage) -> str:
    place = [round(at.sent_at.timestamp() * 1_000), at.seq, str(at.message_id)]
    return op.services.signer.sign("message hit", orjson.dumps(place))


def _found_at(op: Operation, cursor: str, path: str) -> FoundMessage:
    """Raises `Invalid`."""
    opened = op.services.signer.open("message hit", cursor)
    if opened is None:
        raise Invalid(
            (path,), "CURSOR", "This is no cursor of messages that were found. Take one of this list."
        )
    sent_ms, seq, id = orjson.loads(opened)
    sent_at = datetime.fromtimestamp(sent_ms // 1_000, UTC) + timedelta(milliseconds=sent_ms % 1_000)
    return FoundMessage(sent_at, int(seq), UUID(id))


def _search() -> Any:
    field = declare(
        Answered(_found),
        "Messages by what they say and have, the newest first, in your rooms (the 100 in which something was said last) or in "
        "one. Words are found in all their forms; exact phrases and beginnings of words are refused, because what people write "
        "is encrypted. To jump to one, ask `messages` for what is `around` it.",
        metadata=priced(surcharge=50),
    )
    field.arguments = [
        argument(
            "query",
            str,
            "At most 8 words, all of which it says; none if something else is asked for.",
            default="",
        ),
        argument("room_id", strawberry.ID | None, "Only in this room.", default=None),
        argument(
            "thread_id",
            strawberry.ID | None,
            "Only the thread that this message began, with it; with `roomId`.",
            default=None,
        ),
        argument(
            "author_ids",
            list[strawberry.ID] | None,
            f"Only what one of these people wrote, at most {MOST_AUTHORS}. {PERSON}",
            default=None,
        ),
        argument("has", list[MessageTrait] | None, "Only what has all of these.", default=None),
        argument(
            "mentioned_id", strawberry.ID | None, f"Only what speaks to this person. {PERSON}", default=None
        ),
        argument("sent_before", datetime | None, "Only what was sent before this moment.", default=None),
        argument("sent_after", datetime | None, "Only what was sent after this moment.", default=None),
        *paging_arguments(None, None),
    ]
    return field


def _read_by() -> Any:
    field = declare(
        Answered(_readers),
        "Members who have read a message and let others know (`chatReceiptsSet`), its author aside, in the order in which they "
        "came into the room. Empty if there is no such message, or you do not belong to the room.",
        metadata=priced(size=50),
    )
    field.arguments = [_ROOM, _ID]
    return field


@strawberry.type
class MessageQuery:
    messages: MessageConnection | None = _paged()
    message: MessageType | None = _one()
    message_versions: list[MessageVersion] = _history()
    message_readers: list[MessagePerson] = _read_by()
    message_search: MessageSearchConnection = _search()
