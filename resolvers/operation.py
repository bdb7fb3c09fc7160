"""What a use case works with: the database, the caller, the clock, and the platform's rules."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from auth.passwords import Passwords
from auth.revocation import RevokedSessions
from auth.signing import Signer
from auth.tokens import Tokens
from auth.viewer import ANONYMOUS, Viewer
from models.chat import SYSTEM
from models.ids import new_id
from models.pace import ChatPaces
from models.presence import Attendance
from models.store.chat import ChatStore
from models.store.chat_keys import ChatKeys
from models.store.chat_sql import Statements
from models.store.chat_words import ChatWords
from models.store.files import FileStore
from models.store.sql import Act, Database, HotTransaction, Transaction
from resolvers.recommender import Recommender
from resolvers.seen import LastSeen
from resolvers.skill_names import SkillNames
from resolvers.views import ViewCounter


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator of the platform decided."""

    gigs_need_approval: bool = False
    file_limit_bytes: int = 10_000_000
    file_quota_bytes: int = 1_000_000_000
    chat_paces: ChatPaces = field(default_factory=ChatPaces)


@dataclass(slots=True)
class Chat:
    """Where what people say is kept, and what opens it. `on_facts` is told the streams that have grown, and must not wait."""

    store: ChatStore
    keys: ChatKeys
    words: ChatWords
    pools: Sequence[Statements]
    """Of the keys and the words."""
    on_facts: Callable[[frozenset[str]], None] | None = None
    _is_prepared: bool = False

    async def check(self) -> None:
        """Make what the store needs, once it can be reached, and ask it something. Raises `StoreAway`."""
        if not self._is_prepared:
            await self.store.prepare()
            self._is_prepared = True
        await self.store.heads([SYSTEM])

    def tell(self, room_id: UUID) -> None:
        """Something was said in the room."""
        if self.on_facts is not None:
            self.on_facts(frozenset({f"room:{room_id}"}))

    async def close(self) -> None:
        self.keys.close()
        await self.store.close()
        for pool in self.pools:
            await pool.close()


@dataclass(slots=True)
class Services:
    """Made once by `app.py`, shared by all operations."""

    db: Database
    rules: Rules
    epoch: str
    passwords: Passwords
    tokens: Tokens
    signer: Signer
    clock: Callable[[], datetime]
    revoked: RevokedSessions
    views: ViewCounter
    files: FileStore
    chat: Chat
    skill_names: SkillNames = field(default_factory=SkillNames)
    attendance: Attendance = field(default_factory=Attendance)
    last_seen: LastSeen = field(default_factory=LastSeen)
    recommender: Recommender = field(default_factory=Recommender)

    async def close(self) -> None:
        await self.chat.close()
        await self.db.close()


@dataclass(slots=True)
class Operation:
    """One call of one person (or of the system, when a job runs)."""

    services: Services
    viewer: Viewer = ANONYMOUS
    request_id: str = ""
    device: str = ""
    act: Act | None = None
    renew_socket: Callable[[Viewer, datetime], None] | None = None
    """Lets the socket that this came over stay until a later time; None over HTTP."""
    as_of: datetime | None = None
    """The moment at which a board is looked at; None for now."""
    db: Database = field(init=False)

    def __post_init__(self) -> None:
        self.db = self.services.db

    def now(self) -> datetime:
        return self.services.clock()

    def new_id(self) -> UUID:
        return new_id()

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """The one transaction of a use case, under the idempotency key of its mutation if the caller gave one."""
        return self.db.transaction(actor_id=self.viewer.user_id, at=self.now(), act=self.act)

    def hot_transaction(self) -> AbstractAsyncContextManager[HotTransaction]:
        """The same for use cases that are done all the time: one statement that locks and reads, one that writes."""
        return self.db.hot_transaction(actor_id=self.viewer.user_id, at=self.now(), act=self.act)
