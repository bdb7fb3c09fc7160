"""Hints through Redis: one channel for all of them, on which each message names streams; and one beside it for words.

A message is the JSON list `[sender, [stream, …]]`, or `[sender, null]`: any stream may have grown. Redis keeps nothing, so
what is said while somebody is away is lost to them. Two rules make up for it: whoever has just subscribed takes any stream
for grown, and whoever could not speak begins by saying so of any.

A word is a message of its own, behind the name of its sender and a space. Of those that wait, the oldest are dropped.
"""

import asyncio
import contextlib
import logging
import random
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Collection

import orjson
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from subscriptions.broker import WORD_LIMIT, Heard, Told, ignore

CHANNEL = "skillsync:hints"
PENDING_LIMIT = 10_000
"""Names; a message of that many takes Redis and a listener some milliseconds."""
WORDS_LIMIT = 1_000
"""Words that wait; a Redis that takes none for a moment loses the older ones."""

# A stopped Redis or a half-open connection is noticed after a second of silence and an unanswered PING.
_SILENCE_S = 1.0
_PONG_S = 0.75
_CONNECT_TIMEOUT_S = 1.0
_ANSWER_TIMEOUT_S = 0.5
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 2.0
_log = logging.getLogger("skillsync.broker")


class RedisBroker:
    """For processes that share a Redis. The number of a database separates no channels: two deployments on one Redis and
    `channel` wake each other for nothing."""

    name = "redis"

    def __init__(self, url: str, *, channel: str = CHANNEL) -> None:
        """`url` begins with redis://, rediss:// or unix://. Connects in `run`. Raises ValueError if redis-py cannot read it."""
        self._client = Redis.from_url(
            url,
            # Every Redis and its likes speak it, and nothing here needs more.
            protocol=2,
            socket_connect_timeout=_CONNECT_TIMEOUT_S,
            socket_timeout=_ANSWER_TIMEOUT_S,
            # Trying again is ours: redis-py would do so silently, and nobody would know that hints were missed.
            retry=Retry(NoBackoff(), 0),
        )
        self._channel = channel
        self._sender = secrets.token_hex(8)
        # None: any stream.
        self._pending: set[str] | None = set()
        self._words_channel = f"{channel}:words"
        self._words: deque[bytes] = deque(maxlen=WORDS_LIMIT)
        self._wake = asyncio.Event()
        self._failing: dict[str, str] = {}
        self._complaints: set[tuple[str, str]] = set()

    @property
    def problem(self) -> str | None:
        return next(iter(self._failing.values()), None)

    def publish(self, streams: Collection[str]) -> None:
        if not streams:
            return
        if self._pending is not None:
            self._pending.update(streams)
            if len(self._pending) > PENDING_LIMIT:
                self._pending = None
        self._wake.set()

    def say(self, word: bytes) -> None:
        if len(word) > WORD_LIMIT:
            self._complain("a word is too long", "length", self._words_channel)
            return
        self._words.append(b"%b %b" % (self._sender.encode(), word))
        self._wake.set()

    async def run(self, heard: Heard, told: Told = ignore) -> None:
        try:
            async with asyncio.TaskGroup() as halves:
                halves.create_task(self._again("sending", self._send))
                halves.create_task(self._again("listening", lambda: self._listen(heard, told)))
        finally:
            # In vain if the server is gone.
            with contextlib.suppress(RedisError, OSError):
                await self._client.aclose()

    async def _again(self, half: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` until cancelled. No error leaves: a task group that fails while it is cancelled forgets the latter."""
        wait_s = _FIRST_WAIT_S
        while not _is_cancelled():
            try:
                await work()
            except Exception as error:
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S) if half in self._failing else _FIRST_WAIT_S
                self._note(half, error)
            else:
                break
            # Processes that lost the same Redis do not come back as one.
            await asyncio.sleep(wait_s * random.uniform(0.5, 1))  # noqa: S311 - nothing secret

    async def _send(self) -> None:
        # What was to be said before may have been lost.
        self._pending = None
        self._wake.set()
        while not _is_cancelled():
            await self._wake.wait()
            self._wake.clear()
            streams: Collection[str] | None = self._pending
            self._pending = set()
            # Whatever goes wrong now is said of any stream later, and words are lost.
            words = [*self._words]
            self._words.clear()
            async with self._client.pipeline(transaction=False) as messages:
                if streams is None or streams:
                    hint = [self._sender, None if streams is None else list(streams)]
                    messages.publish(self._channel, orjson.dumps(hint))
                for word in words:
                    messages.publish(self._words_channel, word)
                await messages.execute()
            self._note("sending", None)

    async def _listen(self, heard: Heard, told: Told) -> None:
        async with self._client.pubsub() as pubsub:
            # Hints last: who hears that any stream may have grown is there for words, too.
            await pubsub.subscribe(self._words_channel, self._channel)
            while not _is_cancelled():
                kind, channel, content = await _next_message(pubsub)
                # Also when redis-py has subscribed again by itself.
                if kind == "subscribe":
                    if channel == self._channel:
                        heard(None)
                        self._note("listening", None)
                elif kind == "message":
                    if channel == self._channel:
                        self._hear(content, heard)
                    else:
                        self._overhear(content, told)

    def _hear(self, message: bytes, heard: Heard) -> None:
        try:
            sender, streams = _read(message)
        except ValueError as error:
            # Its text quotes the message, which may be anything.
            self._complain("a message is no hint", type(error).__name__, self._channel)
            return
        if sender != self._sender:
            heard(streams)

    def _overhear(self, message: bytes, told: Told) -> None:
        sender, space, word = message.partition(b" ")
        if not space or len(word) > WORD_LIMIT:
            self._complain("a message is no word", "form", self._words_channel)
        elif sender != self._sender.encode():
            told(word)

    def _complain(self, event: str, problem: str, channel: str) -> None:
        """Once of each kind."""
        if (event, problem) not in self._complaints:
            self._complaints.add((event, problem))
            _log.warning(event, extra={"channel": channel, "problem": problem})

    def _note(self, half: str, error: Exception | None) -> None:
        """Remember how `half` fares; log when the first one fails and when both work again."""
        before = self.problem
        if error is not None:
            self._failing[half] = type(error).__name__
        else:
            self._failing.pop(half, None)
        if before is None and error is not None:
            # Redis away is an event for operators, told in a line; anything else is a bug, told with its place.
            bug = None if isinstance(error, RedisError | OSError) else error
            facts = {"half": half, "problem": self.problem, "reason": str(error)}
            _log.warning("hints do not travel", extra=facts, exc_info=bug)
        elif before is not None and self.problem is None:
            _log.info("hints travel again")


def _is_cancelled() -> bool:
    """To be asked before waiting anew: redis-py sends through asyncio.wait_for, and that of Python 3.11 swallows a
    cancellation which comes when the sending is just done."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _next_message(pubsub: PubSub) -> tuple[str, str, bytes]:
    """Kind, channel and content. Raises TimeoutError if the server is silent even when asked, and what redis-py raises."""
    message = await pubsub.get_message(timeout=_SILENCE_S)
    if message is None:
        await pubsub.ping()
        message = await pubsub.get_message(timeout=_PONG_S)
    if message is None:
        raise TimeoutError("Redis does not answer PING")
    channel = message["channel"] or b""  # a PONG has none
    return message["type"], channel.decode(errors="replace"), message["data"]


def _read(message: bytes) -> tuple[str, list[str] | None]:
    """The sender, and names of streams or None for any. Raises ValueError."""
    match orjson.loads(message):
        case [str(sender), None]:
            return sender, None
        case [str(sender), list() as streams] if all(isinstance(stream, str) for stream in streams):
            return sender, streams
    raise ValueError("not a sender and its streams")
