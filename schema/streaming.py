"""Running subscriptions: from a document to the frames of its answers.

An event is executed and encoded once for all subscribers that it is the same for, and the bytes are shared. Who may see it
was decided before, for each subscriber alone.
"""

import asyncio
import dataclasses
import functools
import secrets
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import GraphQLError, OperationType, located_error

from models.errors import DomainError, Invalid
from models.store.chat import StoreAway
from models.store.sql import Position, patiently
from resolvers.operation import Operation
from schema.board_presence import PresenceChanged, shown
from schema.documents import Refused
from schema.events import (
    ResetReason,
    StreamEnd,
    StreamGap,
    StreamHeartbeat,
    StreamItem,
    StreamReady,
    StreamReset,
    control_item,
    item_of,
)
from schema.execution import (
    Executable,
    Frame,
    NeverRan,
    Ready,
    Request,
    Response,
    describe,
    execute,
    fault,
    prepared,
    read,
    refusal,
    to_json,
)
from schema.graph import Context
from schema.places import NewEpoch, place_of, stream_cursor, vector_cursor, vector_of
from schema.planner.operation import OperationPlan, batch_execute, name_of
from schema.planner.roots import Run, SubscriptionPlan
from schema.room_events import SAID, fill
from schema.room_presence import MembersPresenceChanged, TypingChanged, member_presence, typing_changed
from schema.scalars import StreamCursor
from subscriptions.follow import Ahead, EndReason, Follower, Gap, Streams, Teller, TooOld, Unseen
from subscriptions.log import LoggedFact, is_of_chat, room_of
from subscriptions.merge import ROOMS, Merged, follow_all
from subscriptions.onlooker import At, Moved, Onlooker
from subscriptions.pair import Pair, follow_both

_BEGUN = Frame(b"", None)
AnyFollower = Follower | Merged | Pair
_NOT_FOR_ALL = Frame(b"", None)
"""In place of a frame that not everybody may see; each makes their own."""
_PLACE = StreamCursor(secrets.token_hex(16))
"""In what is shared of a merged stream, in place of each one's own cursor. Nobody can write it into a text."""

_PEOPLE_AT = {"board": PresenceChanged.__name__, ROOMS: TypingChanged.__name__}
"""What tells who is at a subject, by its kind."""

SendAtOnce = Callable[[Sequence[Frame]], bool]
"""Sends frames without waiting for anything, all or none; False if that cannot be."""


async def perform(
    schema: Executable,
    streams: Streams,
    request: Request,
    op: Operation,
    send_at_once: SendAtOnce | None = None,
) -> Response | AsyncGenerator[Frame, None]:
    """What any operation answers over a transport that can carry many answers; never raises.

    A subscription that was accepted is a generator of frames, which the caller closes; everything else is one response.
    While the generator is waited for, frames that are at hand may go to `send_at_once` instead, all or none.
    """
    try:
        document, operation = read(schema, request, streaming=True)
    except (NeverRan, Refused):
        return await execute(schema, request, op)  # it says what is wrong
    if operation.operation is not OperationType.SUBSCRIPTION:
        return await execute(schema, request, op)
    ready = prepared(document, operation, request, op)
    if isinstance(ready, Response):
        return ready
    try:
        frames = _Subscriber(schema, ready, request, op, send_at_once).frames(streams)
        # As far as the beginning of the follow: what is refused there is an answer, not a frame.
        await anext(frames)
    except GraphQLError as error:
        return refusal([describe(error, op.request_id)])
    except Exception as error:  # the database is gone, or a bug
        return refusal([fault(error, op.request_id)])
    return frames


@dataclass(frozen=True, slots=True)
class _Class:
    """Subscribers who get the same bytes, which are made under `op`: once, and kept by `key`."""

    key: Hashable
    op: Operation


class _Subscriber:
    """One subscription of one caller."""

    __slots__ = (
        "_arguments",
        "_has_told_people",
        "_heart",
        "_is_ready",
        "_key",
        "_onlooker",
        "_op",
        "_own",
        "_pair",
        "_plan",
        "_reads",
        "_ready",
        "_replayed",
        "_schema",
        "_send_at_once",
        "_shared",
        "_variables",
        "_whole",
    )

    def __init__(
        self,
        schema: Executable,
        ready: Ready,
        request: Request,
        op: Operation,
        send_at_once: SendAtOnce | None,
    ) -> None:
        self._schema = schema
        self._op = op
        self._send_at_once = send_at_once
        self._variables = request.variables or {}
        self._ready = ready
        self._whole = ready.document.plan(ready.operation, ready.values)
        self._key, self._plan = _only(self._whole)
        self._arguments: Mapping[str, Any] = {}
        self._replayed = 0
        self._is_ready = False
        self._has_told_people = False
        """Since the last fact."""
        self._heart: _Heart | None = None
        self._onlooker: Onlooker | None = None
        self._pair: Pair | None = None
        # What is said in rooms is read before it is shown.
        self._reads = bool(self._plan.item.reads or self._plan.shows & SAID)
        variables = _canonical(self._variables, without=self._plan.after_variable)
        self._own = _Class((self._plan, variables, op.viewer.user_id, op.viewer.roles), op)
        self._shared: _Class | None = None
        if self._plan.item.is_alike:
            # Of a gig, what is shared is what a stranger sees at the moment of reading: who follows may see it at another
            # moment, and the gig may have been hidden, and written anew, in between.
            shared = dataclasses.replace(op, viewer=self._plan.followed.shared_by)
            self._shared = _Class((self._plan, variables), shared)

    async def frames(self, streams: Streams) -> AsyncGenerator[Frame, None]:
        """First an empty frame once the follow has begun. Raises `GraphQLError` before that."""
        try:
            followed = self._plan.followed
            arguments = self._arguments = self._plan.read(self._ready.values)
            stream = followed.stream(self._op, **arguments)
            names = (stream,) if followed.twin is None else (stream, followed.twin(stream))
            is_one = followed.merges is None and followed.twin is None
            read_place: Any = place_of if is_one else vector_of
            after: Any = read_place(self._op, arguments.get("after"), *names)
        except NewEpoch:
            yield _BEGUN
            beginning = stream_cursor(self._op, Position(stream, 0))
            yield await self._control(beginning, StreamReset(reason=ResetReason.NEW_EPOCH))
            return
        except Exception as error:
            raise self._located(error) from error
        try:
            async with self._following(streams, names, after) as follower:
                yield _BEGUN
                if StreamHeartbeat.__name__ in self._plan.shows:
                    self._heart = _Heart(follower, streams.heartbeat_s)
                self._pair = follower if isinstance(follower, Pair) else None
                self._ask_for_people(streams, follower)
                is_last = False
                while not is_last:
                    frames, is_last = await self._more(follower)
                    for frame in frames:
                        yield frame
        except (Unseen, Ahead) as error:
            raise self._located(_refused(error, stream)) from error
        except StoreAway as error:
            raise self._located(error) from error
        finally:
            if self._heart is not None:
                self._heart.stop()

    def _following(
        self, streams: Streams, names: Sequence[str], after: Any
    ) -> AbstractAsyncContextManager[AnyFollower]:
        followed, viewer = self._plan.followed, self._op.viewer
        if followed.twin is not None:
            places = {name: None if after is None else after.get(name) for name in names}
            return follow_both(streams, places, viewer)
        if followed.merges is not None:
            kinds = followed.merges(self._arguments)
            return follow_all(streams, self._op.db, viewer, after=after, kinds=kinds)
        return streams.follow(names[0], viewer, after=after)

    async def _more(self, follower: AnyFollower) -> tuple[list[Frame], bool]:
        """The next frames, and whether they are the last."""
        if not self._is_ready and follower.has_caught_up:
            self._is_ready = True
            for leg in _legs(follower):
                self._have_told_at_once(leg)
            return [await self._word(follower, StreamReady(replayed=self._replayed))], False
        if self._heart is not None and self._heart.has_beaten():
            return [await self._word(follower, StreamHeartbeat(lag=follower.lag))], False
        # There may be thousands of people: what happens comes in between.
        is_turn_of_facts = self._has_told_people and follower.is_behind
        if not is_turn_of_facts and (word := await self._word_of_people(follower)) is not None:
            self._has_told_people = True
            frame = await self._word(follower, word)
            # It may have ended while the people were read.
            return [frame] if follower.ended is None else [], False
        try:
            frames = await self._next(follower)
            self._has_told_people = self._has_told_people and not frames
        except Gap as gap:
            start, behind = self._cursor(follower, gap.before), self._cursor(follower)
            word = StreamGap(from_=start, to=behind, reason=ResetReason.NOT_KEPT)
            return [await self._control(behind, word)], False
        except TooOld:
            return [await self._word(follower, StreamReset(reason=ResetReason.NOT_KEPT))], True
        if not frames and follower.ended is not None:
            return [await self._word(follower, StreamEnd(reason=follower.ended))], True
        if not self._is_ready:
            self._replayed += len(frames)
        return frames, False

    async def _next(self, follower: AnyFollower) -> list[Frame]:
        """What there is to tell next. Raises `TooOld` and `Gap`."""
        if not isinstance(follower, Follower):
            made = await follower.take(functools.partial(self._made_of, follower))
            return [self._placed(follower, fact, frame) for fact, frame in made]
        before = follower.number
        frames = await self._rendered(self._picked(follower, await follower.take()))
        if follower.ended is EndReason.ACCESS_LOST and self._plan.followed.shared_by.is_admin:
            # What they show may be from after it: it may have waited for the database.
            follower.number = before
            return []
        return frames

    async def _made_of(
        self, follower: Merged | Pair, facts: Sequence[LoggedFact]
    ) -> list[tuple[LoggedFact, Frame]]:
        """In a merged stream a frame has no place before it is told: the other streams go on meanwhile. Raises `StoreAway`."""
        facts = self._picked(follower, facts)
        if isinstance(follower, Merged) and self._shared is None:
            frames = await self._made(self._own, [self._item(fact) for fact in facts])
        else:
            frames = await self._rendered(facts)
        return list(zip(facts, frames, strict=True))

    def _placed(self, follower: Merged | Pair, fact: LoggedFact, frame: Frame) -> Frame:
        """In a merged stream each leads to a place in all streams, which is nobody else's: it is put into what is shared."""
        if isinstance(follower, Pair):
            return frame
        cursor = self._cursor(follower, fact)
        return Frame(frame.raw.replace(_PLACE.encode(), cursor.encode()), cursor)

    async def _word(self, follower: AnyFollower, event: Any) -> Frame:
        """A word about the stream, with the place it has come to."""
        return await self._control(self._cursor(follower), event)

    def _ask_for_people(self, streams: Streams, follower: AnyFollower) -> None:
        """Whoever selects something of them is told who is there."""
        kind = ROOMS if isinstance(follower, Merged) else _legs(follower)[0].stream.partition(":")[0]
        sees_subjects = _PEOPLE_AT.get(kind) in self._plan.shows
        sees_members = kind == ROOMS and MembersPresenceChanged.__name__ in self._plan.shows
        if not sees_subjects and not sees_members:
            return
        self._onlooker = Onlooker(
            self._op.services.attendance,
            self._op.viewer,
            follower.nudge,
            sees_subjects=sees_subjects,
            sees_members=sees_members,
        )
        if isinstance(follower, Merged):
            follower.attend(self._onlooker)
        else:
            streams.attend(_legs(follower)[0], self._onlooker)

    async def _word_of_people(self, follower: AnyFollower) -> Any | None:
        """Who is there now, or writes, if that is to be told; None if not."""
        if self._onlooker is None or not self._is_ready or follower.ended is not None:
            return None
        match await self._onlooker.next():
            case Moved(people):
                return MembersPresenceChanged(members=member_presence(people))
            case At(subject, people) if is_of_chat(subject):
                return typing_changed(room_of(subject), people)
            case At(_, people):
                return PresenceChanged(people=shown(people))
            case None:
                return None

    def _cursor(self, follower: AnyFollower, at: LoggedFact | Position | None = None) -> StreamCursor:
        """The place that the follower has come to, or had at this fact or number of one stream."""
        if not isinstance(follower, Follower):
            return vector_cursor(self._op, follower.place(at))
        number = follower.number if at is None else at.number
        return stream_cursor(self._op, Position(follower.stream, number))

    def _have_told_at_once(self, follower: Follower) -> None:
        if self._send_at_once is not None:
            follower.teller = Teller(
                (self._shared or self._own).key,
                self._rendered if self._reads else None,
                functools.partial(self._tell_at_once, follower, self._send_at_once),
            )

    def _tell_at_once(
        self, follower: Follower, send_at_once: SendAtOnce, facts: Sequence[LoggedFact]
    ) -> bool:
        facts = self._picked(follower, facts)
        frames = [frame for fact in facts if (frame := self._at_hand(fact)) is not None]
        return len(frames) == len(facts) and (not frames or send_at_once(frames))

    def _item(self, fact: LoggedFact) -> StreamItem:
        item = item_of(self._op, fact)
        if self._plan.followed.merges is not None:
            item.cursor = _PLACE
        if self._pair is not None:
            item.cursor = vector_cursor(self._op, self._pair.place(fact))
        return item

    def _name(self, group: _Class, fact: LoggedFact) -> Hashable:
        """What the frame of a fact is kept by: beside the class, the place in the other stream, which its cursor names, too."""
        return group.key if self._pair is None else (group.key, self._pair.number_beside(fact))

    def _picked(self, follower: AnyFollower, facts: Sequence[LoggedFact]) -> Sequence[LoggedFact]:
        tells = self._plan.followed.tells
        if tells is None:
            return facts
        return [fact for fact in facts if tells(follower.viewer, fact, self._arguments)]

    # -- rendering -----------------------------------------------------------------------------------------------------

    async def _rendered(self, facts: Sequence[LoggedFact]) -> list[Frame]:
        """One frame for each fact."""
        if self._shared is None:
            return await self._rendered_for(self._own, facts)
        frames = await self._rendered_for(self._shared, facts)
        left = [fact for fact, frame in zip(facts, frames, strict=True) if frame is _NOT_FOR_ALL]
        if not left:
            return frames
        own = iter(await self._rendered_for(self._own, left))
        return [next(own) if frame is _NOT_FOR_ALL else frame for frame in frames]

    async def _rendered_for(self, group: _Class, facts: Sequence[LoggedFact]) -> list[Frame]:
        """What nobody of the class asked for yet is made now, all at once."""
        old = sum(fact.is_old for fact in facts)
        if 0 < old < len(facts):  # those come first
            return [
                *await self._rendered_for(group, facts[:old]),
                *await self._rendered_for(group, facts[old:]),
            ]
        while not any(fact.is_old for fact in facts):
            found = [fact.rendered.get(self._name(group, fact)) for fact in facts]
            frames = [made for made in found if isinstance(made, Frame)]
            if len(frames) == len(found):
                return frames
            if missing := [fact for fact, made in zip(facts, found, strict=True) if made is None]:
                await self._render(missing, group)
            else:
                # Somebody else is at it. Shielded: who is cancelled while waiting would cancel it for all who wait.
                await asyncio.shield(next(made for made in found if isinstance(made, asyncio.Future)))
        return await self._made(group, [self._item(fact) for fact in facts])

    def _at_hand(self, fact: LoggedFact) -> Frame | None:
        """The frame of a fact if it was made for somebody else, or can be made without reading anything."""
        group = self._shared or self._own
        made = fact.rendered.get(self._name(group, fact))
        if made is _NOT_FOR_ALL:
            made = fact.rendered.get(self._name(self._own, fact))
        elif made is None and not self._reads and not fact.is_old:
            item = self._item(fact)
            try:
                data = self._plan.item.assemble(item, ())
            except Exception:  # told by the batch execution, to each who asks
                return None
            made = fact.rendered[self._name(group, fact)] = Frame(
                to_json({"data": {self._key: data}}), item.cursor
            )
        return made if isinstance(made, Frame) else None

    async def _render(self, facts: Sequence[LoggedFact], group: _Class) -> None:
        done = asyncio.get_running_loop().create_future()
        names = [self._name(group, fact) for fact in facts]
        for fact, name in zip(facts, names, strict=True):
            fact.rendered[name] = done
        try:
            made = await self._made(group, [self._item(fact) for fact in facts])
            for fact, name, frame in zip(facts, names, made, strict=True):
                # Not if it was taken away meanwhile: it may show what was deleted.
                if not fact.is_old and fact.rendered.get(name) is done:
                    fact.rendered[name] = frame
        except BaseException:
            # Whoever waits for these makes them itself.
            for fact, name in zip(facts, names, strict=True):
                fact.rendered.pop(name, None)
            raise
        finally:
            done.set_result(None)

    async def _control(self, cursor: StreamCursor, event: Any) -> Frame:
        return (await self._made(self._own, [control_item(self._op, cursor, event)]))[0]

    async def _made(self, group: _Class, items: Sequence[StreamItem]) -> list[Frame]:
        """Waits for a database that is away: what an item links to would be missing from it for ever. For a chat store only those
        wait that would tell nothing without what was said.

        Raises `StoreAway` if that cannot be read for long.
        """
        is_shared = group is self._shared
        show = self._plan.item.show_whole if is_shared else self._plan.item.show_all

        async def read() -> list[Any]:
            # Fresh for each batch of events: what was read for an earlier one is not true any more.
            if self._plan.shows & SAID:
                await fill(group.op, [item.event for item in items])
            return await show(
                Run(Context(group.op, requested=self._ready.requested), self._ready.values), items
            )

        tells_of_words = any(type(item.event).__name__ in SAID for item in items)
        try:
            shown = await patiently(read, but_not_for=None if tells_of_words else StoreAway)
        except Exception as error:
            if isinstance(error, StoreAway) and tells_of_words:
                raise
            if is_shared:
                return [_NOT_FOR_ALL] * len(items)
            # Told by the batch execution, which meets it again.
            self._whole.unplanned[type(error).__name__] += 1
            return [await self._by_batches(item) for item in items]
        return [
            _NOT_FOR_ALL if data is None else Frame(to_json({"data": {self._key: data}}), item.cursor)
            for data, item in zip(shown, items, strict=True)
        ]

    async def _by_batches(self, item: StreamItem) -> Frame:
        context = Context(self._op, requested=self._ready.requested)
        result = await batch_execute(
            self._schema,
            self._ready.document.ast,
            context,
            self._variables,
            name_of(self._ready.operation),
            root=item,
        )
        body: dict[str, Any] = {"data": result.data}
        if result.errors:
            body["errors"] = [describe(error, self._op.request_id) for error in result.errors]
        return Frame(to_json(body), item.cursor)

    def _located(self, error: Exception) -> GraphQLError:
        return located_error(error, self._whole.selected[0].nodes, [self._key])


class _Heart:
    """Beats until it is stopped. It never waits: the follower looks at it before it waits for something to tell."""

    def __init__(self, follower: AnyFollower, every_s: float) -> None:
        self._follower = follower
        self._every_s = every_s
        self._is_due = False
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(every_s, self._beat)

    def has_beaten(self) -> bool:
        """Whether it has since this was last asked."""
        was_due, self._is_due = self._is_due, False
        return was_due

    def stop(self) -> None:
        self._timer.cancel()

    def _beat(self) -> None:
        self._is_due = True
        self._follower.nudge()
        self._timer = self._loop.call_later(self._every_s, self._beat)


def _only(plan: OperationPlan) -> tuple[str, SubscriptionPlan]:
    """A subscription has exactly one root field, and its plan never fails: what it shows are values."""
    (key, found), *_ = plan.plans.items()
    assert isinstance(found, SubscriptionPlan)
    return key, found


def _legs(follower: AnyFollower) -> Sequence[Follower]:
    """The followers of single streams that can be told at once."""
    if isinstance(follower, Follower):
        return (follower,)
    return follower.legs if isinstance(follower, Pair) else ()


def _refused(error: Exception, stream: str) -> DomainError:
    if isinstance(error, Unseen):
        subject = stream.partition(":")[0]  # of a gig or a board: others are one's own
        return Invalid((f"{subject}Id",), "VISIBLE", f"There is no such {subject}, or you cannot see it.")
    return Invalid(("after",), "CURSOR", "The stream has not come that far. Take a cursor of this server.")


def _canonical(variables: Mapping[str, Any], *, without: str | None) -> bytes:
    """The same bytes for the same variables but one."""
    others = {name: value for name, value in variables.items() if name != without}
    return orjson.dumps(others, option=orjson.OPT_SORT_KEYS)
