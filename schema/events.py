"""What happens, as subscribers are told it: a type for each kind of fact, made from the fact's own declaration.

A fact's own fields are the values that were recorded. What it links to (the gig, the application …) is today's state, under
the scope the subscriber has now.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from enum import Enum
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import strawberry
from strawberry.types.arguments import StrawberryArgument
from strawberry.utils.str_converters import to_camel_case

from auth import access
from auth.viewer import ANONYMOUS, PLATFORM, Viewer
from models.application import ApplicationStatus
from models.board_events import BoardEvent
from models.contract import ContractStatus
from models.errors import Invalid
from models.event import EVENTS, Event, Topic
from models.gig_events import ConcernedEvent
from models.gig_workflow import GigStatus
from models.ids import decode_id, encode_id
from models.room_events import PersonStatusSet, RoomMemberEvent, RoomReadReceipt
from models.store.sql import Position
from models.user import AccountEvent, Role
from resolvers.operation import Operation
from resolvers.room_members import names_in_rooms
from schema.activity import Change, changes_of, concrete_events, names, sentence_of
from schema.board_presence import BoardPresence, PresenceChanged
from schema.graph import Followed, Scope, argument, attached, declare, reference
from schema.notes import notes
from schema.notifications import NotificationCounts, NotificationType, counts_for
from schema.payloads import Auth, Needs
from schema.person_status import PersonStatus, status_of
from schema.places import stream_cursor
from schema.room_events import MESSAGE_EVENTS, SAID, message_event
from schema.room_presence import MemberPresence, MembersPresenceChanged, RoomTypist, TypingChanged
from schema.rooms import ChatCounts, all_counts_for
from schema.scalars import Markdown, StreamCursor
from schema.type_names import (
    Application,
    Attachment,
    Board,
    BoardColumn,
    BoardLabel,
    Contract,
    Freelancer,
    Gig,
    Invitation,
    MessageDraft,
    MessageReport,
    Person,
    Room,
    ScheduledMessage,
    Snippet,
    SnippetComment,
    SnippetShare,
    SnippetVersion,
    Task,
    TaskChecklist,
    TaskChecklistItem,
    TaskComment,
    User,
)
from schema.words import words
from subscriptions.follow import EndReason
from subscriptions.log import COUNTS_CHANGED, LoggedFact

# -- control frames ------------------------------------------------------------------------------------------------------


class ResetReason(Enum):
    NEW_EPOCH = strawberry.enum_value(
        "NEW_EPOCH",
        description="The log was restored from a backup, so places of before mean nothing any more.",
    )
    NOT_KEPT = strawberry.enum_value(
        "NOT_KEPT", description="What follows this place is not kept any longer."
    )


strawberry.enum(
    ResetReason,
    name="StreamResetReason",
    description="Why a stream cannot go on from a cursor, or leaves something out.",
)
words(EndReason, name="StreamEndReason")


@strawberry.type(
    description="Everything up to the beginning of the subscription was sent; what follows is new."
)
class StreamReady:
    replayed: int = strawberry.field(description="How many facts were sent again because of `after`.")


@strawberry.type(
    description="The stream cannot go on from `after`, and ends. Read the state again and subscribe with its `streamCursor`."
)
class StreamReset:
    reason: ResetReason = strawberry.field(description="Why.")


@strawberry.type(description="The last item of a stream that the server ends.")
class StreamEnd:
    reason: EndReason = strawberry.field(description="Why.")


@strawberry.type(
    description="What happened between two places is not kept any longer. The stream goes on behind it; read the state again."
)
class StreamGap:
    from_: StreamCursor = strawberry.field(name="from", description="The place before what is missing.")
    to: StreamCursor = strawberry.field(description="The place behind it.")
    reason: ResetReason = strawberry.field(description="Why.")


@strawberry.type(
    description="A sign of life, every 15 seconds, to who selects `lag`: its `cursor` is the newest place to go on from, also where "
    "nothing that happened was for you."
)
class StreamHeartbeat:
    lag: int = strawberry.field(
        description="How many facts of the stream, for you or not, are not told yet: more than a few if you read more slowly than "
        "things happen."
    )


CONTROL = (
    StreamReady, StreamGap, StreamReset, StreamHeartbeat, StreamEnd, PresenceChanged, TypingChanged, MembersPresenceChanged
)  # fmt: skip

# -- facts ---------------------------------------------------------------------------------------------------------------

_TODAY = "in today's state; null if you may not see it"
_LINKS: dict[str, tuple[str, Any, str]] = {
    "gig_id": ("gig", Gig, f"The gig it is about, {_TODAY}."),
    "source_id": ("source", Gig, f"The gig it was copied from, {_TODAY}, or if it was written anew."),
    "application_id": ("application", Application, f"The application it is about, {_TODAY}."),
    "contract_id": ("contract", Contract, f"The contract it is about, {_TODAY}."),
    "invitation_id": ("invitation", Invitation, f"The invitation it is about, {_TODAY}."),
    "board_id": ("board", Board, f"The board, {_TODAY}."),
    "column_id": ("column", BoardColumn, f"The column it is about, or stands in since, {_TODAY}."),
    "column_before_id": ("column_before", BoardColumn, f"The column it stood in before, {_TODAY}."),
    "after_column_id": (
        "after_column",
        BoardColumn,
        "The column it stands behind since; null: it is the first.",
    ),
    "label_id": ("label", BoardLabel, f"The label it is about, {_TODAY}."),
    "task_id": ("task", Task, f"The task it is about, {_TODAY}."),
    "after_task_id": (
        "after_task",
        Task,
        "The task it stands behind since; null: it is the first of its column.",
    ),
    "other_task_id": ("other_task", Task, f"The task at the other end, {_TODAY}."),
    "checklist_id": ("checklist", TaskChecklist, f"The checklist it is about, {_TODAY}."),
    "item_id": ("item", TaskChecklistItem, f"The item it is about, {_TODAY}."),
    "attachment_id": ("attachment", Attachment, f"The file it is about, {_TODAY}."),
    "comment_id": ("comment", TaskComment, f"The comment it is about, {_TODAY}."),
    "room_id": ("room", Room, f"The room it is about, {_TODAY}."),
    "draft_id": ("draft", MessageDraft, f"The draft, {_TODAY}, or once it is gone."),
    "scheduled_id": (
        "scheduled_message",
        ScheduledMessage,
        f"The scheduled message, {_TODAY}, or once it is sent or cancelled.",
    ),
    "report_id": ("report", MessageReport, f"The report, {_TODAY}."),
    "other_id": ("other", Person, f"Whom it is about, {_TODAY}."),
    "snippet_id": ("snippet", Snippet, f"The snippet, {_TODAY}."),
    "snippet_version_id": ("snippet_version", SnippetVersion, f"The version it is about, {_TODAY}."),
    "snippet_comment_id": ("snippet_comment", SnippetComment, f"The comment it is about, {_TODAY}."),
    "share_id": ("share", SnippetShare, f"The share it is about, {_TODAY}."),
}
# Named after what has the status, so that one selection can hold several kinds of facts: fields of one name must agree.
_STATUSES: dict[Any, str] = {
    GigStatus: "gig_status", ApplicationStatus: "application_status", ContractStatus: "contract_status"
}  # fmt: skip
_VALUES = {
    "before": "The status before; null if this is where it began.",
    "after": "The status from then on.",
    "status": "The status at that time.",
    "is_public": "Whether everybody could see the gig at that time.",
    "reason": "The reason, for programs; null without one.",
    "progress_percent": "How far the work was then, 0 to 100.",
    "changes": "What changed, before and after; texts are named without their content.",
    "side": "Which side it is about.",
    "sides": "Which sides it is about.",
    "parts": "What changed, as the API names it.",
    "unseen": "How many notifications were unseen then.",
    "unread": "How many notifications, or messages of the room, were unread then.",
    "key": "What the keys of its tasks began with then.",
    "name": "What it was called then.",
    "category": "What it meant to stand in the column then.",
    "wip_limit": "How many tasks it was to hold at most then; null: any number.",
    "wip_is_hard": "Whether that limit refused more.",
    "color": "Its color then.",
    "number": "Of a task, its number on the board, which never changes; of reading, the number in the room's log up to which was read.",
    "relation": "How the one stands to the other.",
    "emoji": "The emoji.",
    "message_id": "The message, for `message` and to jump to with `messages(around:)`.",
    "thread_id": "The first message of the thread.",
    "followed_thread_id": "The thread in which it answers, if you are told because you follow it; null if there is another reason.",
    "is_followed": "Whether you follow it from then on.",
    "is_mention": "Whether it speaks to you by name.",
    "mentions": "How many unread messages spoke to you then.",
    "shows_receipts": "Whether they are.",
    "shows_presence": "Whether they do.",
    "room_kind": "What the room is for.",
    "room_role": "What they could do in the room from then on.",
    "is_muted": "Whether you wanted to be told of mentions only.",
    "is_hidden": "Whether you put it out of your sight.",
    "is_favorite": "Whether you wanted to have it first.",
    "version_number": "The number of the version.",
    "sha256": "SHA-256 of the version's content, as 64 hexadecimal digits.",
    "share_kind": "With whom it is or was shared.",
    "may_revise": "Whether they could write new versions from then on.",
    "removed_id": "The id of what is gone.",
    "outcome": "What was decided.",
    "is_on": "Whether it was put there; otherwise it was taken back.",
    "until": "When the suspension was to end by itself; null: when somebody ends it.",
    "role": "The role.",
}

_ONE_PART = {"rate_minor": "rate", "rate_currency": "rate"}


def _public(hint: Any) -> Any:
    """The type of a recorded value as the API has it."""
    if get_origin(hint) is tuple:
        return list[get_args(hint)[0]]  # type: ignore[misc]
    return hint


def _parts(columns: Any) -> list[str]:
    """What the API calls the columns of a profile."""
    return sorted({to_camel_case(_ONE_PART.get(column, column)) for column in columns})


def _python_name(name: str, hint: Any) -> str:
    kinds = [hint, *get_args(hint)]
    status = next((_STATUSES[kind] for kind in kinds if kind in _STATUSES), None)
    if status is None or name not in {"before", "after", "status"}:
        return name
    return f"{status}_before" if name == "before" else status


def _reader(hint: Any) -> Callable[[Any], Any]:
    """From JSON to a recorded value."""
    if get_origin(hint) in {Union, UnionType}:
        read = _reader(next(part for part in get_args(hint) if part is not type(None)))
        return lambda raw: None if raw is None else read(raw)
    if get_origin(hint) is tuple:
        read = _reader(get_args(hint)[0])
        return lambda raw: [read(one) for one in raw]
    if hint is datetime:
        return datetime.fromisoformat
    if hint is UUID or (isinstance(hint, type) and issubclass(hint, Enum)):
        return hint
    return lambda raw: raw


def _message_id(raw: Any) -> str | None:
    return None if raw is None else encode_id("message", UUID(raw))


class _Kind:
    """One kind of fact: its GraphQL type, and how an instance is made of what was logged."""

    def __init__(self, kind: type[Event]) -> None:
        hints = get_type_hints(kind)
        recorded = [f.name for f in fields(kind) if f.name not in Event._IN_COLUMNS | kind.HIDDEN]
        self._readers = {
            name: (_python_name(name, hints[name]), _parts if name == "parts" else _reader(hints[name]))
            for name in recorded
            if name != "changes"
        }
        self._has_changes = "changes" in recorded
        annotations: dict[str, Any] = {}
        namespace: dict[str, Any] = {"__annotations__": annotations, "__module__": __name__}
        for name in recorded:
            if name in _LINKS:
                public, annotation, description = _LINKS[name]
                annotations[public], namespace[public] = annotation | None, reference(name, description)
            else:
                public = _python_name(name, hints[name])
                if name in {"message_id", "thread_id", "followed_thread_id"}:
                    # Messages are in another store: they are no nodes.
                    self._readers[name] = (name, _message_id)
                    hints[name] = strawberry.ID if hints[name] is UUID else strawberry.ID | None
                annotations[public] = list[Change] if name == "changes" else _public(hints[name])
                namespace[public] = strawberry.field(description=_VALUES[name])
        if issubclass(kind, ConcernedEvent):
            annotations["freelancer"] = Freelancer | None
            namespace["freelancer"] = reference("person_id", f"The freelancer it is about, {_TODAY}.")
        if issubclass(kind, BoardEvent):
            annotations["person"] = Person | None
            namespace["person"] = reference(
                "person_id", f"The person it is about, {_TODAY}, or if it is about nobody in particular."
            )
        if issubclass(kind, AccountEvent):
            annotations["account"] = User | None
            namespace["account"] = reference("person_id", f"The account it is about, {_TODAY}.")
        if issubclass(kind, RoomMemberEvent | RoomReadReceipt):
            annotations["person"] = Person | None
            namespace["person"] = reference("person_id", f"The member it is about, {_TODAY}.")
            annotations["person_name"] = str | None
            namespace["person_name"] = attached(
                names_in_rooms, "person_id", "What the member is called.", is_personal=False
            )
        if issubclass(kind, PersonStatusSet):
            # Not called `status`: of others, that is a word.
            annotations["person_status"] = PersonStatus | None
            namespace["person_status"] = attached(
                status_of, "person_id", "What you say now; null if that is nothing."
            )
        annotations["note"] = Markdown | None
        namespace["note"] = attached(
            notes,
            "remark_id",
            "What was written with it; null without a text, or if it was erased.",
            is_personal=False,
        )
        self.type = strawberry.type(type(kind.__name__, (), namespace), description=sentence_of(kind))

    def read(self, fact: LoggedFact) -> Any:
        event: Any = object.__new__(self.type)
        for name, (public, read) in self._readers.items():
            setattr(event, public, read(fact.payload.get(name)))
        if self._has_changes:
            event.changes = changes_of(fact.payload)
        event.person_id, event.remark_id = fact.person_id, fact.remark_id
        return event


words(Topic)

KINDS = {name: _Kind(kind) for name, kind in concrete_events().items()}


@strawberry.type(
    description="Somebody applied, took it back, was hired or left, which is not your business; but the numbers of the gig are "
    "others now."
)
class GigCountsChanged:
    gig: Gig | None = reference("gig_id", f"The gig, {_TODAY}.")


def _event_of(fact: LoggedFact) -> Any:
    if fact.kind in MESSAGE_EVENTS:
        return message_event(fact)
    if fact.kind != COUNTS_CHANGED:
        return KINDS[fact.kind].read(fact)
    event: Any = object.__new__(GigCountsChanged)
    event.gig_id = UUID(fact.payload["gig_id"])
    return event


if TYPE_CHECKING:
    StreamEvent = Any
else:
    StreamEvent = Annotated[
        Union[
            (*(kind.type for kind in KINDS.values()), *MESSAGE_EVENTS.values(), GigCountsChanged, *CONTROL)
        ],
        strawberry.union(
            "StreamEvent",
            description="A fact, or a word about the stream itself: StreamReady, StreamGap, StreamReset, StreamHeartbeat, StreamEnd, "
            "PresenceChanged, TypingChanged, MembersPresenceChanged.",
        ),
    ]


@strawberry.type(description="One item of a stream.")
class StreamItem:
    cursor: StreamCursor = strawberry.field(
        description="The place behind this item. Keep it, and subscribe with it in `after` to go on."
    )
    occurred_at: datetime = strawberry.field(
        description="When it happened; of a word about the stream, when it was sent."
    )
    event: StreamEvent = strawberry.field(description="What happened.")
    actor_id: strawberry.Private[UUID | None]
    fact_id: strawberry.Private[UUID | None]

    actor_name: str | None = attached(
        names,
        "actor_id",
        "Who did it; null for the platform itself, if they are gone, or if they hide their profile from you.",
    )

    actor: Person | None = reference(
        "actor_id",
        "Who did it; null wherever `actorName` is, and if you share neither a board nor a room of chat with them.",
        told=names,
    )

    notification: NotificationType | None = reference(
        "fact_id",
        "Your notification of it, as it is now; null if it is none, as in streams that are not your own, or if you switched it off.",
    )
    notification_counts: NotificationCounts | None = attached(
        counts_for,
        "cursor",
        "How many of your notifications wait for you now: the badge. Zeros for an anonymous caller.",
    )
    chat_counts: ChatCounts | None = attached(
        all_counts_for,
        "cursor",
        "What you have not read in all your rooms now. Zeros for an anonymous caller.",
    )


def item_of(op: Operation, fact: LoggedFact) -> StreamItem:
    return StreamItem(
        cursor=stream_cursor(op, Position(fact.stream, fact.number)),
        occurred_at=fact.occurred_at,
        event=_event_of(fact),
        actor_id=fact.actor_id,
        fact_id=fact.id,
    )


def control_item(op: Operation, cursor: StreamCursor, event: Any) -> StreamItem:
    return StreamItem(
        cursor=cursor,
        occurred_at=op.now(),
        event=event,
        actor_id=None,
        fact_id=None,
    )


# -- the roots -----------------------------------------------------------------------------------------------------------


_AFTER = argument(
    "after",
    StreamCursor | None,
    "Go on behind this place: `cursor` of an item, `streamCursor` of a snapshot, or `position` of a payload. Without it, from now on.",
    default=None,
)


def _followed(
    stream: Callable[..., str],
    needs: Needs,
    description: str,
    *arguments: StrawberryArgument,
    tells: Callable[[Viewer, LoggedFact, Mapping[str, Any]], bool] | None = None,
    subject: Scope | None = None,
    shared_by: Viewer = ANONYMOUS,
    merges: Callable[[Mapping[str, Any]], frozenset[str]] | None = None,
    beside: tuple[type, ...] = (),
    twin: Callable[[str], str] | None = None,
) -> Any:
    field = declare(
        Followed(stream, tells, subject, shared_by, merges, beside, twin),
        f"{description} Everything after `after` once, in order, then what happens from now on.",
        is_subscription=True,
        directives=[Auth(requires=needs)],
    )
    field.arguments = [*arguments, _AFTER]
    return field


def _stream_of_gig(op: Operation, gig_id: str, after: str | None = None) -> str:
    return f"gig:{decode_id('gig', gig_id, path=('gigId',))}"


def _stream_of_board(op: Operation, board_id: str, after: str | None = None) -> str:
    return f"board:{decode_id('board', board_id, path=('boardId',))}"


def _stream_of_room(op: Operation, room_id: str, after: str | None = None) -> str:
    return f"room:{decode_id('room', room_id, path=('roomId',))}"


def _state_of_room(stream: str) -> str:
    return stream.replace("room:", "roomstate:", 1)


def _stream_of_snippet(op: Operation, snippet_id: str, after: str | None = None) -> str:
    return f"snippet:{decode_id('snippet', snippet_id, path=('snippetId',))}"


def _stream_of_viewer(op: Operation, after: str | None = None, topics: Sequence[Topic] | None = None) -> str:
    if topics is not None and not topics:
        raise Invalid(("topics",), "COUNT", "Name a topic, or leave `topics` out for all of them.", min="1")
    return f"user:{op.viewer.require_user()}"


def _is_about(_: Viewer, fact: LoggedFact, arguments: Mapping[str, Any]) -> bool:
    topics = arguments.get("topics")
    return topics is None or _topic_of(fact) in topics


def _topic_of(fact: LoggedFact) -> Topic:
    if fact.kind in SAID:
        return Topic.ROOMS
    return Topic.GIGS if fact.kind == COUNTS_CHANGED else EVENTS[fact.kind].topic


_TOPICS_OF = {"gig": Topic.GIGS, "room": Topic.ROOMS}


def _asked_for(arguments: Mapping[str, Any]) -> frozenset[str]:
    """The kinds of streams beside one's own."""
    topics = arguments.get("topics")
    return frozenset(kind for kind, topic in _TOPICS_OF.items() if topics is None or topic in topics)


_IN_ROOMS = (TypingChanged, RoomTypist, MemberPresence)


def _stream_of_admins(op: Operation, after: str | None = None) -> str:
    op.viewer.require(Role.ADMIN)
    return "admin"


@strawberry.type(
    name="Subscription",
    description="What can be followed. Streams outlive connections: go on with the last cursor.",
)
class Subscription:
    gig_events: StreamItem = _followed(
        _stream_of_gig,
        Needs.NOTHING,
        "What happens to a gig and around it, each fact only for its audience. A gig that is not there, or that you may not "
        "see, is refused.",
        argument("gig_id", strawberry.ID, "The gig."),
        subject=access.visible_gigs,
    )
    board_events: StreamItem = _followed(
        _stream_of_board,
        Needs.SIGNED_IN,
        "What happens on a board, in order: fold it into what you read with the board's `streamCursor` to keep it up to date. "
        "A board that is not there, or that you may not see, is refused.",
        argument("board_id", strawberry.ID, "The board."),
        subject=access.visible_boards,
        shared_by=Viewer(roles=frozenset({Role.ADMIN})),
        beside=(BoardPresence,),
    )
    room_events: StreamItem = _followed(
        _stream_of_room,
        Needs.SIGNED_IN,
        "What happens in a room that you belong to: what is said and done to messages in one order, what becomes of the room and "
        "its members in another. A room that is not there, or that you do not belong to, is refused.",
        argument("room_id", strawberry.ID, "The room."),
        subject=access.visible_rooms,
        shared_by=PLATFORM,
        beside=_IN_ROOMS,
        twin=_state_of_room,
    )
    snippet_events: StreamItem = _followed(
        _stream_of_snippet,
        Needs.SIGNED_IN,
        "What happens to a snippet, in order: fold it into what you read with the snippet's `streamCursor` to keep it up to date. "
        "A snippet that is not there, or that you may not see, is refused.",
        argument("snippet_id", strawberry.ID, "The snippet."),
        subject=access.visible_snippets,
    )
    viewer_events: StreamItem = _followed(
        _stream_of_viewer,
        Needs.SIGNED_IN,
        "Everything that concerns you in one stream: applications, invitations, contracts, feedback, your own profile, what "
        "happens to the gigs you posted, work on, have a bid for or are invited to (the newest 60 that are not over), and what is "
        "said in your rooms that you did not mute (the 80 in which something was said last), with who writes and who is there. In "
        "order for each of these, not across them.",
        argument(
            "topics", list[Topic] | None, "Only what is about these; without it, everything.", default=None
        ),
        tells=_is_about,
        merges=_asked_for,
        beside=_IN_ROOMS,
    )
    notification_events: StreamItem = _followed(
        _stream_of_viewer,
        Needs.SIGNED_IN,
        "What you are notified of, and `NotificationsChanged` when you marked something, in whatever tab.",
        tells=lambda viewer, fact, _: fact.notifies(viewer.user_id),
    )
    admin_events: StreamItem = _followed(
        _stream_of_admins,
        Needs.ADMIN,
        "What waits for administrators and what they decided: gigs that were submitted, approved, rejected or sent back, accounts "
        "that were suspended, restored or erased, roles that were given or taken.",
    )
